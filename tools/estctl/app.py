"""The command line `estctl`: one function a command, in the module that the name says."""

import errno
import gc
import importlib
import importlib.metadata
import sys
from typing import Annotated

import typer

from estctl import output

# Each command, and the module that has a function of its name. Only what was asked for is loaded:
# a server and a serial port take three quarters of the time in which estctl starts.
COMMANDS = {
    "server": "estctl.server.command",
    "cacerts": "estctl.enrollment",
    "csrattrs": "estctl.enrollment",
    "enroll": "estctl.enrollment",
    "reenroll": "estctl.enrollment",
    "serverkeygen": "estctl.serverkeygen",
    "fullcmc": "estctl.fullcmc",
    "device": "estctl.device",
    "deploy": "estctl.deploy",
    "device-status": "estctl.deploy",
    "erase-identity": "estctl.deploy",
    "firmware": "estctl.firmware",
}

app = typer.Typer(
    help="EST (RFC 7030) from the host: a development server, a client, a simulated board.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
)


def _show_version(wanted: bool) -> None:
    """Print the version and end, where --version was given."""
    if wanted:
        print("estctl", importlib.metadata.version("micropython-est"))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """EST (RFC 7030) from the host: a development server, a client, a simulated board."""


def main() -> None:
    """Run estctl; exit statuses are those of estctl.output."""
    wanted = [name for name in sys.argv[1:2] if name in COMMANDS]
    for name in wanted or COMMANDS:
        module = importlib.import_module(COMMANDS[name])
        app.command(name)(getattr(module, name.replace("-", "_")))
    gc.freeze()  # lib/ collects often, as a board has to: not what was loaded until here
    output.prepare()
    try:
        try:
            app()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except OSError as error:
        if error.errno not in (
            errno.EPIPE,
            errno.ENOSPC,
            errno.EIO,
            errno.EFBIG,
        ):  # no write that failed
            raise
        output.unwritable(error)
