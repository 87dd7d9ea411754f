"""What a command says: rich text for people, or one JSON object; and its exit status."""

import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import est_errors
import typer
from pki import der
from pki import name as names
from rich.console import Console

DONE, REFUSED, USAGE, UNTRUSTED, NOT_YET = range(5)  # exit statuses, as design.md has them

Log = Callable[[int, str], None]  # a log of the library: level, text

console = Console(stderr=True, highlight=False, soft_wrap=True)


_PLAIN = {*range(32, 127)} - {*b',+"\\<>;='}  # octets that a Name as text need not escape


def when(seconds: int) -> str:
    """Return Unix seconds as unix_time.text() does; here also what comes after 2038."""
    return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z".format(*time.gmtime(seconds)[:6])


def name(raw: bytes) -> str:
    """Return a DER Name as text. Raises DerError."""
    try:
        return str(names.decode(raw))
    except est_errors.DerError:  # such as a control character, which could steer a terminal
        return _escaped(raw)


def _escaped(raw: bytes) -> str:
    """Return a DER Name as text, with all octets escaped that are not plain characters."""
    rdns = []
    reader = der.sequence(raw)
    while reader.more():
        rdn = reader.enter(der.SET)
        parts = []
        while rdn.more():
            attribute = rdn.enter()
            label = names.label(attribute.oid())
            value = bytes(attribute.take(attribute.peek()))
            shown = [chr(c) if c in _PLAIN else f"\\{c:02X}" for c in value]
            parts.append(f"{label}={''.join(shown)}")
        rdns.append("+".join(parts))
    return ",".join(rdns)


def warn(text: str) -> None:
    """Say something on standard error, with --json, too."""
    print(f"estctl: {text}", file=sys.stderr)


def prepare() -> None:
    """Let every text be printed: what the terminal's encoding lacks is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else it is closed
            stream.reconfigure(errors="backslashreplace")


def unwritable(error: OSError) -> NoReturn:
    """End the program, as the result cannot be printed: silently where its reader has gone."""
    # What is left in the buffer of standard output would make Python complain at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    if not isinstance(error, BrokenPipeError):
        warn(f"the result cannot be printed ({error.strerror})")
    sys.exit(REFUSED)


def exit_status(error: est_errors.EstError) -> int:
    """Return the exit status that stands for an error of the library."""
    if isinstance(error, est_errors.TrustError):
        return UNTRUSTED
    if isinstance(error, (est_errors.ConfigError, est_errors.KeyFault)):
        return USAGE
    if isinstance(error, est_errors.RetryLater):
        return NOT_YET
    return REFUSED


def fail(error: est_errors.EstError, as_json: bool) -> NoReturn:
    """End the command with an error: its text on standard error, and as JSON where asked."""
    status = exit_status(error)
    if as_json:
        values = {"error": error.message, "step": error.step, "exit_status": status}
        if isinstance(error, est_errors.ApprovalNeeded):
            values["candidate"] = {"subject": error.subject, "fingerprint": error.fingerprint}
        if isinstance(error, est_errors.RetryLater):
            values["retry_after"] = error.retry_after
        print(json.dumps(values))
    warn(str(error))
    raise typer.Exit(status)


def report(values: dict[str, Any], as_json: bool, title: str) -> None:
    """Print the result of a command on standard output."""
    if as_json:
        print(json.dumps(values))
        return
    out = Console(highlight=False, markup=False, soft_wrap=True)
    out.print(title, style="bold")
    for line in lines(values):
        out.print("  " + line)


def lines(values: dict[str, Any]) -> Iterator[str]:
    """Yield what a dict says, a line each: never cut, so that a fingerprint can be copied."""
    width = max((len(name) for name, value in values.items() if value is not None), default=0)
    for name, value in values.items():
        if value is None:
            continue
        label = name.replace("_", " ").ljust(width)
        parts = value if isinstance(value, list) else [value]
        for part in parts or ["none"]:
            if isinstance(part, dict):
                yield label.rstrip()
                yield from ("  " + line for line in lines(part))
            else:
                yield f"{label}  {part}"
                label = " " * width


def progress(as_json: bool) -> Log:
    """Return a log function for the library: lines on standard error, none with --json."""

    def show(level: int, text: str) -> None:
        if level >= logging.INFO and not as_json:
            style = "dim" if level < logging.WARNING else "yellow"
            console.print(text, style=style, markup=False)

    return show
