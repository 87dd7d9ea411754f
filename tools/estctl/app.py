"""The command line `estctl`: one function a command, in the module that the name says."""

import importlib.metadata
from typing import Annotated

import typer

from estctl import deploy, device, enrollment
from estctl.firmware import firmware
from estctl.fullcmc import fullcmc
from estctl.server.command import server
from estctl.serverkeygen import serverkeygen

app = typer.Typer(
    help="EST (RFC 7030) from the host: a development server, a client, a simulated board.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # locals may hold secrets
)
for command in (
    server,
    enrollment.cacerts,
    enrollment.csrattrs,
    enrollment.enroll,
    enrollment.reenroll,
    serverkeygen,
    fullcmc,
    device.device,
    deploy.deploy,
    deploy.device_status,
    deploy.erase_identity,
    firmware,
):
    app.command()(command)


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
    app()
