"""The command `server`."""

import asyncio
import base64
import binascii
import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from est_errors import EstError
from pki.csrattrs import CsrAttributes
from rich.console import Console

from estctl import output
from estctl.server.authority import KEY_KINDS
from estctl.server.running import EstServer, Settings, SettingsError


def _one_of(*allowed: str):  # type: ignore[no-untyped-def]
    def check(value: str) -> str:
        if value not in allowed:
            raise typer.BadParameter(f"{value!r} is not one of {', '.join(allowed)}")
        return value

    return check


def server(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8443,
    folder: Annotated[
        Path, typer.Option("--dir", help="Keeps the CA, what was issued, and the password.")
    ] = Path("est-server"),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --host be another than loopback.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Another DNS name or IP address in the TLS certificate."),
    ] = None,
    auth: Annotated[
        str,
        typer.Option(
            "--auth",
            help="Who may enrol without a client certificate: basic (a password), none (anyone).",
            callback=_one_of("basic", "none"),
        ),
    ] = "basic",
    user: Annotated[str, typer.Option("--user", help="User name for HTTP Basic.")] = "device",
    require_client_cert: Annotated[
        bool, typer.Option("--require-client-cert", help="No TLS without a client certificate.")
    ] = False,
    client_ca: Annotated[
        Path | None,
        typer.Option("--client-ca", help="PEM file of other CAs whose certificates may enrol."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only these labels exist; else every one.")
    ] = None,
    ca_key: Annotated[
        str,
        typer.Option("--ca-key", help=" | ".join(KEY_KINDS), callback=_one_of(*KEY_KINDS)),
    ] = "p256",
    days: Annotated[int, typer.Option("--days", min=1, help="Validity of what is issued.")] = 365,
    tls: Annotated[
        str, typer.Option("--tls", help="1.2 | 1.3 | both", callback=_one_of("1.2", "1.3", "both"))
    ] = "both",
    csrattrs: Annotated[
        Path | None,
        typer.Option("--csrattrs", help="File of what /csrattrs answers, DER or base64."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object once the server listens.")
    ] = False,
) -> None:
    """Run a development EST server with a CA of its own."""
    settings = Settings(
        folder,
        host,
        port,
        allow_remote,
        tuple(name or ()),
        auth,
        user,
        require_client_cert,
        client_ca,
        tuple(label or ()),
        ca_key,
        days,
        tls,
        _attributes(csrattrs),
    )
    try:
        asyncio.run(_serve(settings, as_json))
    except SettingsError as error:
        _stop(str(error), output.USAGE)
    except OSError as error:
        _stop(f"the server cannot start: {error}", output.REFUSED)


async def _serve(settings: Settings, as_json: bool) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = output.console
    async with EstServer(settings, lambda line: log.print(line, markup=False)) as running:
        if as_json:
            print(json.dumps(_facts(running, settings)), flush=True)
        else:
            _introduce(_facts(running, settings))
        await stop.wait()


def _facts(running: EstServer, settings: Settings) -> dict[str, str | int]:
    return {
        "url": running.url,
        "fingerprint": running.authority.fingerprint,
        "anchors": str(running.authority.anchors_file.resolve()),
        "user": settings.user,
        "password_file": str(running.password_file.resolve()),
        "pid": os.getpid(),
    }


def _introduce(facts: dict[str, str | int]) -> None:
    """Print what a person needs; lines are never cut, so that they can be copied."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print("EST development server, not for production", style="bold")
    for name, value in facts.items():
        console.print(f"  {name.replace('_', ' '):14} {value}")
    console.print(
        "Try, in another terminal:\n"
        f"  estctl cacerts --url {facts['url']} --fingerprint {facts['fingerprint']}\n"
        f"  estctl device --flash board --url {facts['url']} --fingerprint {facts['fingerprint']}"
        f" --user {facts['user']} --password-file {facts['password_file']}\n"
        "Ctrl-C ends it. Requests:"
    )


def _attributes(path: Path | None) -> bytes | None:
    """Return the DER of a --csrattrs file, checked."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
        der = content if content[:1] == b"\x30" else base64.b64decode(content)
        CsrAttributes(der)
    except (OSError, binascii.Error, EstError) as error:
        _stop(f"--csrattrs: {path}: {error}", output.USAGE)
    return der


def _stop(text: str, status: int) -> None:
    print(f"estctl: {text}", file=sys.stderr)
    raise typer.Exit(status)
