"""What a command says: rich text for people, or one JSON object; and its exit status."""

import json
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import est_errors
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

DONE, REFUSED, USAGE, UNTRUSTED, NOT_YET = range(5)  # exit statuses, as design.md has them

console = Console(stderr=True, highlight=False)


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
        print(json.dumps({"error": error.message, "step": error.step, "exit_status": status}))
    print(f"estctl: {error}", file=sys.stderr)
    raise typer.Exit(status)


def report(values: dict[str, Any], as_json: bool, title: str) -> None:
    """Print the result of a command on standard output."""
    if as_json:
        print(json.dumps(values))
        return
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in values.items():
        if isinstance(value, list):
            value = "\n".join(str(entry) for entry in value)
        # Text, not markup: a certificate's name may hold brackets.
        table.add_row(name.replace("_", " "), Text(str(value)))
    Console(highlight=False).print(table)


def progress(as_json: bool) -> Callable[[str], None]:
    """Return a log function for the library: lines on standard error, none with --json."""
    return (
        (lambda text: None)
        if as_json
        else (lambda text: console.print(text, style="dim", markup=False))
    )
