"""What a command says: rich text for people, or one JSON object; and its exit status."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import est_errors
import typer
from rich.console import Console

DONE, REFUSED, USAGE, UNTRUSTED, NOT_YET = range(5)  # exit statuses, as design.md has them

Log = Callable[[int, str], None]  # a log of the library: level, text

console = Console(stderr=True, highlight=False, soft_wrap=True)


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
    print(f"estctl: {error}", file=sys.stderr)
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
