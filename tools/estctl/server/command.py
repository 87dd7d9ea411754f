"""The command `server`: its options, what it prints, its exit status (0 ended by a signal, 1 it
cannot listen or use its folder, 2 wrong usage)."""

import asyncio
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import est_errors
import typer
from rich.console import Console

from estctl import interpreters, output
from estctl.server import csrattrs as attributes
from estctl.server import faults, key_generation, profiles, scenarios
from estctl.server.events import Event
from estctl.server.running import EstServer
from estctl.server.settings import (
    MOST_DAYS,
    Authentication,
    KeyKind,
    Link,
    RollOver,
    Settings,
    SettingsError,
    TlsVersions,
)
from estctl.timeline import Timeline

_LONGEST_END = 8.0  # seconds from a signal to the end, whatever is under way

_CA, _CLIENTS, _ROLES = "The CA", "Who may connect and enrol", "Roles to play"


def _list_scenarios(wanted: bool) -> None:
    """Print the name and the meaning of each scenario, and end."""
    if wanted:
        _list({name: s.summary for name, s in scenarios.CATALOGUE.items()})


def _list_profiles(wanted: bool) -> None:
    """Print the name and the meaning of each profile, and end."""
    if wanted:
        _list({name: str(p["about"]) for name, p in profiles.CATALOGUE.items()})


def _list_faults(wanted: bool) -> None:
    """Print the name and the meaning of each fault, and end."""
    if wanted:
        _list({name: fault.about for name, fault in faults.CATALOGUE.items()})


def _list(meanings: dict[str, str]) -> None:
    for text in output.lines(dict(meanings)):
        print(text)
    raise typer.Exit


def server(
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            help="0: any free one.",
            show_default="8443, or a profile's",
        ),
    ] = None,
    folder: Annotated[
        Path,
        typer.Option("--dir", help="Keeps the CA, what was issued, and the password."),
    ] = Path("est-server"),
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let --host be another than loopback.")
    ] = False,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="Another DNS name or IP address in the TLS certificate."),
    ] = None,
    tls: Annotated[TlsVersions, typer.Option("--tls", help="TLS versions.")] = TlsVersions.BOTH,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Only these labels exist; else every one.")
    ] = None,
    csrattrs: Annotated[
        str,
        typer.Option(
            "--csrattrs",
            help="What /csrattrs answers: none, default (P-256, ECDSA with SHA-256), template (of"
            " RFC 9908: a name of one's own, P-256, digitalSignature, clientAuth), or a file in"
            " DER or base64.",
        ),
    ] = "none",
    link: Annotated[
        Link,
        typer.Option(
            "--link",
            help="Whether requests have to be linked to TLS by challengePassword (TLS 1.2 alone).",
            rich_help_panel=_CLIENTS,
        ),
    ] = Link.OFF,
    key_encryption_key: Annotated[
        Path | None,
        typer.Option(
            "--key-encryption-key",
            help="File of an AES key, raw or hex, that clients have, too: /serverkeygen encrypts"
            " keys with it for requests that name it, by whatever identifier.",
        ),
    ] = None,
    auth: Annotated[
        Authentication,
        typer.Option(
            "--auth",
            metavar="HOW",
            help="What a client without a certificate needs to enrol: a password by HTTP (basic or"
            " digest), a token, which the password file holds (bearer), or nothing (none).",
            rich_help_panel=_CLIENTS,
        ),
    ] = Authentication.BASIC,
    user: Annotated[
        str, typer.Option("--user", help="User name.", rich_help_panel=_CLIENTS)
    ] = "device",
    require_client_cert: Annotated[
        bool,
        typer.Option(
            "--require-client-cert",
            help="No TLS without a client certificate.",
            rich_help_panel=_CLIENTS,
        ),
    ] = False,
    client_ca: Annotated[
        Path | None,
        typer.Option(
            "--client-ca",
            help="PEM file of other CAs whose certificates may enrol.",
            rich_help_panel=_CLIENTS,
        ),
    ] = None,
    psk: Annotated[
        bool,
        typer.Option(
            "--psk",
            help="Take a pre-shared key in place of certificates, too (RFC 7030 3.3.3); needs"
            " CPython 3.13.",
            rich_help_panel=_CLIENTS,
        ),
    ] = False,
    psk_identity: Annotated[
        str | None,
        typer.Option(
            "--psk-identity",
            help="Its identity.",
            show_default="that of --user",
            rich_help_panel=_CLIENTS,
        ),
    ] = None,
    psk_key_file: Annotated[
        Path | None,
        typer.Option(
            "--psk-key-file",
            help="File whose first line is that key, 16 to 64 random bytes in hex.",
            show_default="DIR/psk, a new key",
            rich_help_panel=_CLIENTS,
        ),
    ] = None,
    not_yet: Annotated[
        int,
        typer.Option(
            "--not-yet",
            min=0,
            help="Answer each request to enrol with 202 this often before it is granted.",
            rich_help_panel=_CLIENTS,
        ),
    ] = 0,
    retry_after: Annotated[
        int,
        typer.Option(
            "--retry-after",
            min=-1,
            help="Seconds to wait after a 202; -1: do not say.",
            rich_help_panel=_CLIENTS,
        ),
    ] = 10,
    ca_key: Annotated[
        KeyKind | None,
        typer.Option(
            "--ca-key",
            help="Keys of a new CA; p256 where not given.",
            rich_help_panel=_CA,
        ),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            "--days",
            min=1,
            max=MOST_DAYS,
            help="Validity of what is issued.",
            rich_help_panel=_CA,
        ),
    ] = 365,
    root_days: Annotated[
        int,
        typer.Option(
            "--root-days",
            min=1,
            max=MOST_DAYS,
            help="Validity of a new root.",
            rich_help_panel=_CA,
        ),
    ] = 7300,
    roll_over: Annotated[
        RollOver | None,
        typer.Option(
            "--roll-over",
            help="begin: a new root and issuing CA, which issue from now on; /cacerts has the old"
            " ones, too, and what links the roots. finish: the old root is gone from it. Without:"
            " what was begun goes on. Certificates of every generation may renew.",
            rich_help_panel=_CA,
        ),
    ] = None,
    clock: Annotated[
        Path | None,
        typer.Option(
            "--clock",
            help="Folder of a simulated time, made where it is missing: see estctl device.",
        ),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar="NAME",
            help=f"Play a role to test clients: {', '.join(scenarios.CATALOGUE)}.",
            rich_help_panel=_ROLES,
        ),
    ] = None,
    list_scenarios: Annotated[
        bool,
        typer.Option(
            "--list-scenarios",
            callback=_list_scenarios,
            is_eager=True,
            help="Say what each scenario is, and end.",
            rich_help_panel=_ROLES,
        ),
    ] = False,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=f"Behave as another server does: {', '.join(profiles.CATALOGUE)}. Several may be"
            " given.",
            rich_help_panel=_ROLES,
        ),
    ] = None,
    list_profiles: Annotated[
        bool,
        typer.Option(
            "--list-profiles",
            callback=_list_profiles,
            is_eager=True,
            help="Say what each profile is, and end.",
            rich_help_panel=_ROLES,
        ),
    ] = False,
    fault: Annotated[
        str | None,
        typer.Option(
            "--fault",
            metavar="NAME[:OCTETS][@OPERATION]",
            help="Spoil the answers that follow authentication at an operation (or all; where"
            " none is given, wherever certificates are issued), after so many octets:"
            f" {', '.join(faults.CATALOGUE)}.",
            rich_help_panel=_ROLES,
        ),
    ] = None,
    list_faults: Annotated[
        bool,
        typer.Option(
            "--list-faults",
            callback=_list_faults,
            is_eager=True,
            help="Say what each fault is, and end.",
            rich_help_panel=_ROLES,
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object once the server listens.")
    ] = False,
) -> None:
    """Run a development EST server with a CA of its own, until Ctrl-C."""
    try:
        if clock:
            _live_in(clock)
        if not psk and (psk_identity is not None or psk_key_file is not None):
            raise SettingsError("--psk-identity and --psk-key-file belong to --psk")
        quirks = profiles.find(profile or ()) or profiles.Quirks()
        settings = Settings(
            folder=folder,
            host=host,
            port=quirks.port if port is None else port,
            allow_remote=allow_remote,
            names=tuple(name or ()),
            authentication=auth,
            user=user,
            require_client_certificate=require_client_cert,
            client_ca=client_ca,
            labels=tuple(label or ()),
            ca_key=ca_key,
            days=days,
            root_days=root_days,
            roll_over=roll_over,
            tls=tls,
            csrattrs=attributes.of_option(csrattrs, link == Link.REQUIRE),
            key_encryption_key=key_generation.read_key(key_encryption_key),
            linked=link == Link.REQUIRE,
            scenario=scenario,
            fault=fault,
            not_yet=not_yet,
            retry_after=None if retry_after < 0 else retry_after,
            profiles=tuple(profile or ()),
            psk_identity=(user if psk_identity is None else psk_identity) if psk else None,
            psk_key_file=psk_key_file,
        )
        asyncio.run(_serve(settings, as_json))
    except SettingsError as error:
        _stop(str(error), output.USAGE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _stop(f"the server cannot start: {where}{error.strerror or error}", output.REFUSED)


def _live_in(clock: Path) -> None:
    """Start this program anew in simulated time, unless it is there already.

    Raises SettingsError where this machine has none, or the folder is none of a time.
    """
    try:
        world = Timeline(clock).world
    except est_errors.ConfigError as error:
        raise SettingsError(str(error)) from None
    if os.environ.get(interpreters.CLOCK_VARIABLE) == str(world):
        return
    python = interpreters.python_in(world)
    if python is None:
        raise SettingsError("--clock needs what `make setup` unpacks from Debian's packages")
    command, environment = python
    options = sys.argv[2:] if sys.argv[1:2] == ["server"] else sys.argv[1:]
    command = [*command, "-m", "estctl.server", *options]
    os.execvpe(command[0], command, {**os.environ, **environment})


async def _serve(settings: Settings, as_json: bool) -> None:
    """Serve until SIGINT or SIGTERM; SIGUSR1 ends a fault, or goes to a scenario's next phase."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with EstServer(settings, _show) as running:
        if running.settings.scenario or running.faults:
            loop.add_signal_handler(signal.SIGUSR1, running.next_phase)
        facts = _facts(running)
        if as_json:
            print(json.dumps(facts), flush=True)
        else:
            _introduce(facts, running.phases, running.faults is not None)
        await stop.wait()
        # A thread that makes a large RSA key cannot be interrupted, and the end would wait for it.
        last = threading.Timer(_LONGEST_END, os._exit, [output.DONE])
        last.daemon = True
        last.start()


def _show(event: Event) -> None:
    """Show a request, or a failed handshake, on standard error."""
    line = typer.style(time.strftime("%H:%M:%S "), dim=True)
    line += event.text if event.good else typer.style(event.text, fg="yellow")
    # On a full disk, or a pipe that nobody reads, it goes on serving: rich would end it.
    with contextlib.suppress(OSError):
        typer.echo(line, err=True, color=False if output.console.no_color else None)


def _facts(running: EstServer) -> dict[str, str | int]:
    facts: dict[str, str | int] = {
        "url": running.url + (f"/{running.label}" if running.label else ""),
        "fingerprint": running.fingerprint,
        "anchors": str(running.authority.anchors_file.resolve()),
        "user": running.settings.user,
        "password_file": str(running.password_file.resolve()),
        "pid": os.getpid(),
    }
    if running.settings.psk_identity is not None:
        facts["psk_identity"] = running.settings.psk_identity
        facts["psk_key_file"] = str(running.psk_key_file.resolve())
    if running.journal:
        role = "profile" if running.settings.profiles else "scenario"
        facts[role] = running.journal.scenario
        facts["requests"] = str(running.journal.path.resolve())
    if running.bootstrap:
        for name, suffix in (("bootstrap_certificate", ".pem"), ("bootstrap_key", ".key")):
            facts[name] = str(running.bootstrap.with_suffix(suffix).resolve())
    if running.implicit:
        facts["implicit"] = str(running.implicit.resolve())
        facts["trust"] = str(running.trust.resolve())
    return facts


def _introduce(facts: dict[str, str | int], phases: int, faulty: bool) -> None:
    """Print what a person needs; lines are never cut, so that they can be copied."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print("EST development server, not for production", style="bold")
    for line in output.lines(facts):
        console.print("  " + line)
    url, pin, user, password_file = (
        shlex.quote(str(facts[name])) for name in ("url", "fingerprint", "user", "password_file")
    )
    trust = f"--anchors {shlex.quote(str(facts['trust']))}" if "trust" in facts else None
    at = f"--url {url} {trust or f'--fingerprint {pin}'}"
    who = f"--user {user} --password-file {password_file}"
    if "bootstrap_key" in facts:
        pair = ("bootstrap_certificate", "bootstrap_key")
        who = "--cert {} --key {} --new-key".format(*(shlex.quote(str(facts[it])) for it in pair))
    estctl = _estctl()
    commands = [
        f"{estctl} cacerts {at}",
        f"{estctl} enroll {at} {who} --subject CN=board-1"
        " --out-cert board-1.pem --out-key board-1.key",
        f"{estctl} device {at} {who.removesuffix(' --new-key')} --flash board",
    ]
    if "psk_identity" in facts:
        identity, key_file = (
            shlex.quote(str(facts[name])) for name in ("psk_identity", "psk_key_file")
        )
        commands.append(
            f"{estctl} enroll --url {url} --psk-identity {identity} --psk-key-file {key_file}"
            " --subject CN=board-2 --out-cert board-2.pem --out-key board-2.key"
        )
    console.print("Try, in another terminal:")
    for command in commands:
        console.print("  " + command)
    if faulty:
        console.print("To end the fault:")
        console.print(f"  kill -USR1 {facts['pid']}")
    elif phases > 1:
        console.print(f"The scenario has {phases} phases; to the next one:")
        console.print(f"  kill -USR1 {facts['pid']}")
    console.print("Ctrl-C ends it. Requests:")


def _estctl() -> str:
    """Return how a shell starts estctl: by its path where no PATH leads to it."""
    beside = Path(sys.executable).with_name("estctl")
    found = not shutil.which("estctl") and beside.is_file()
    return shlex.quote(str(beside)) if found else "estctl"


def _stop(text: str, status: int) -> None:
    print(f"estctl: {text}", file=sys.stderr)
    raise typer.Exit(status)
