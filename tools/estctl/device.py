"""The command `device`: boots a simulated board that enrols as a real one would."""

import contextlib
import hashlib
import json
import logging
import shlex
import signal
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import est
import est_errors
import typer
from cryptography import x509 as host_x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from devid import record as device_record
from devid import trust as device_trust
from devid.record import Record
from devid.store import Store
from devid.trust import Trust

from estctl import files, options, output, simulation
from estctl.flash import library_folder, opened
from estctl.mpy import UNIX_MARCH
from estctl.timeline import Timeline

Interpreter = Enum(  # type: ignore[misc]
    "Interpreter", {name: name for name in simulation.INTERPRETERS}, type=str
)


_DAY = 86400  # seconds
_MOST_DAYS = 36500  # that may pass at once
# Options of what device.json says; without --url it stays as it is.
_IN_SETTINGS = (
    *("anchors", "fingerprint", "implicit", "keep_implicit", "revocation"),
    *("user", "password_file", "cert", "key", "p12", "p12_password_file"),
    *("token_file", "token_at_once", "psk_identity", "psk_key_file", "keep_credential"),
    *("allow_redirect", "link", "subject", "san"),
)


class CutMode(str, Enum):
    """What becomes of the flash operation at which the power is cut."""

    before = "before"
    torn = "torn"
    after = "after"


def device(
    context: typer.Context,
    flash: Annotated[
        Path,
        typer.Option(
            "--flash",
            help="The board's flash: a folder, or the image of a littlefs (a file, NAME.img).",
        ),
    ],
    url: Annotated[
        str | None,
        typer.Option("--url", help="https://HOST:PORT/LABEL; without --url: boot what is there."),
    ] = None,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    implicit: options.Implicit = None,
    keep_implicit: options.KeepImplicit = False,
    revocation: options.Revocation = options.Policy.OFF,
    approve: Annotated[
        str | None,
        typer.Option(
            "--approve",
            help="Fingerprint of the CA's root that you have compared: identity.approve() first.",
        ),
    ] = None,
    user: options.User = None,
    password_file: options.PasswordFile = None,
    cert: options.Cert = None,
    key: options.Key = None,
    p12: options.P12 = None,
    p12_password_file: options.P12PasswordFile = None,
    token_file: options.TokenFile = None,
    token_at_once: options.TokenAtOnce = False,
    psk_identity: options.PskIdentity = None,
    psk_key_file: options.PskKeyFile = None,
    keep_credential: Annotated[
        bool,
        typer.Option(
            "--keep-credential",
            help="Leave password or token in device.json, to enrol anew if the identity is lost.",
        ),
    ] = False,
    allow_redirect: options.AllowRedirect = None,
    max_wait: Annotated[
        int | None,
        typer.Option(
            "--max-wait",
            min=0,
            help="Seconds that this and later boots wait in all where the server says 'not yet'.",
            show_default="0, or as before",
        ),
    ] = None,
    link: options.Link = options.LinkPolicy.DEMANDED,
    subject: options.Subject = "CN=device-{unique_id}",
    san: options.San = None,
    board: Annotated[
        str, typer.Option("--board", help="Whose board_config: a folder of boards/.")
    ] = "UNIX",
    interpreter: Annotated[
        Interpreter,
        typer.Option(
            "--interpreter",
            metavar="NAME",
            help="What the board runs: micropython, micropython32, rp2like or cpython.",
        ),
    ] = Interpreter.micropython,  # type: ignore[attr-defined]
    heap: Annotated[
        str | None, typer.Option("--heap", help="MicroPython's heap, such as 96k.")
    ] = None,
    source: Annotated[
        bool, typer.Option("--source", help="Load lib/ as .py files, not compiled to .mpy.")
    ] = False,
    meter: Annotated[
        bool, typer.Option("--meter", help="Sample the live heap while the board works (slower).")
    ] = False,
    flash_size: Annotated[
        int | None,
        typer.Option(
            "--flash-size", min=512, max=65536, help="KiB of a new image.", show_default="2048"
        ),
    ] = None,
    power_cut_at: Annotated[
        int | None,
        typer.Option("--power-cut-at", min=1, help="Cut the power at this flash operation."),
    ] = None,
    power_cut_mode: Annotated[
        CutMode,
        typer.Option("--power-cut-mode", help="Leave that operation undone, half done, or done."),
    ] = CutMode.torn,
    clock: Annotated[
        Path | None,
        typer.Option("--clock", help="Folder of a simulated time, made where it is missing."),
    ] = None,
    advance: Annotated[
        float,
        typer.Option(
            "--advance",
            min=0,
            max=_MOST_DAYS,
            help="Days that pass before the boot; with --clock.",
        ),
    ] = 0,
    speed: Annotated[
        float,
        typer.Option(
            "--speed",
            min=1,
            max=1e9,
            help="The identity's waits take 1/SPEED; with --clock.",
        ),
    ] = 1,
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    out_ca: options.OutCa = None,
    as_json: options.Json = False,
) -> None:
    """Boot a simulated board: it makes its key, enrols, and stores its identity."""
    given = locals()
    # SIGTERM ends it as Ctrl-C does, and the interpreter with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with contextlib.ExitStack() as stack:
            options.check(given)
            if (speed > 1 or advance) and clock is None:
                name = "--advance" if advance else "--speed"
                raise est.ConfigError(f"{name} needs --clock: the folder of the time that passes")
            timeline = Timeline(clock) if clock else None
            chip = stack.enter_context(opened(flash, flash_size))
            folder = chip.folder
            if url is not None:
                who = options.credential(
                    user,
                    password_file,
                    cert,
                    key,
                    p12,
                    p12_password_file,
                    token_file,
                    token_at_once,
                    psk_identity,
                    psk_key_file,
                )
                options.names(options.filled(subject or ""), options.filled(san or ""))
                settings: dict[str, Any] = {"url": url, "subject": subject or "", "ntp": False}
                stored: dict[str, bytes] = {}
                _add_trust(
                    settings, stored, anchors, fingerprint, implicit, keep_implicit, revocation
                )
                _add_credential(settings, stored, who, keep_credential)
                if san:
                    settings["san"] = san.split(",")
                if allow_redirect:
                    settings["redirects"] = allow_redirect
                if link.policy:
                    settings["link"] = link.policy
                settings["max_wait"] = max_wait or 0
                simulation.write_settings(folder, settings, stored)
            elif not any((folder / name).is_file() for name in ("device.json", "device.json.new")):
                raise est.ConfigError(f"{flash} has no device.json yet: give --url and trust")
            elif unused := _given(context):
                raise est.ConfigError(
                    f"{unused} would change nothing: device.json is written anew only with --url"
                )
            elif max_wait is not None:
                simulation.change_setting(folder, "max_wait", max_wait)
            compiled = not source and interpreter.value != "cpython"
            march = UNIX_MARCH.get(simulation.INTERPRETERS[interpreter.value] or "", "")
            ready = library_folder(board, march if compiled else "") if chip.image else folder
            simulation.prepare(ready, board, compiled, march)
            if chip.image:
                chip.put(ready)
            chip.put()
            log = output.progress(as_json)
            if timeline:
                timeline.advance(advance * _DAY)
            went = simulation.boot(
                chip.what_boots,
                interpreter.value,
                heap,
                meter,
                lambda line: _show(log, line),
                approve,
                (power_cut_at, power_cut_mode.value) if power_cut_at else None,
                timeline,
                speed,
            )
            chip.get()
            took = went.report["flash_operations"] if went.report else None
            if power_cut_at and took is not None and took < power_cut_at:
                text = f"the boot ended after {took} flash operations, before --power-cut-at"
                print(f"estctl: {text} {power_cut_at}: the power was not cut", file=sys.stderr)
            values = _result(folder, went)
            record, authorities = values.pop("record"), values.pop("ca")
            if out_key:
                files.write_key(out_key, record.key)
            if out_cert:
                files.write_certificates(out_cert, [record.certificate, *record.chain])
            if out_ca:
                files.write_certificates(out_ca, authorities)
    except est.EstError as error:
        if heap and "not enough memory" in error.message:
            error.message += f"; give more than --heap {heap}"
        if isinstance(error, est.ApprovalNeeded):
            place = shlex.quote(str(flash))
            error.message += (
                f" (here: estctl device --flash {place} --approve {error.fingerprint})"
            )
        output.fail(error, as_json)
    except OSError as error:
        text = f"{error.filename or flash} cannot be used: {error.strerror or error}"
        output.fail(est.ConfigError(text), as_json)
    if not as_json:
        del values["console"]  # it was shown while the board ran
    output.report(values, as_json, "The board's identity")


def _given(context: typer.Context) -> str:
    """Return the options of the settings that the command line has, as text; "": none."""
    sources = ((name, context.get_parameter_source(name)) for name in _IN_SETTINGS)
    names = [name for name, source in sources if source and source.name == "COMMANDLINE"]
    return ", ".join("--" + name.replace("_", "-") for name in names)


def _show(log: output.Log, line: str) -> None:
    """Show a line of the board's console; not its failure, which ends the command."""
    if not line.startswith("failed: "):
        log(logging.INFO, "  " + line)


def _add_trust(
    settings: dict[str, Any],
    stored: dict[str, bytes],
    anchors: Path | None,
    fingerprint: str | None,
    implicit: Path | None,
    keep_implicit: bool,
    revocation: options.Policy,
) -> None:
    """Add to device.json, and to the files that it names, whom the board trusts.

    Without any of them a person approves what the server shows.
    """
    if sum(option is not None for option in (anchors, fingerprint, implicit)) > 1:
        raise est.ConfigError("give one of --anchors, --fingerprint and --implicit")
    trust: dict[str, Any] = {"fingerprint": fingerprint} if fingerprint else {}
    for name, path in (("anchors", anchors), ("implicit", implicit)):
        if path is not None:
            trust[name] = name + ".der"
            stored[name + ".der"] = b"".join(files.read_certificates(path, "--" + name))
    if keep_implicit:
        trust["keep_implicit"] = True
    if revocation != options.Policy.OFF:
        trust["revocation"] = revocation.value
    settings["trust"] = trust


def _add_credential(
    settings: dict[str, Any], stored: dict[str, bytes], who: options.Credential, keep: bool
) -> None:
    """Add to device.json, and to the files that it names, who the board is for the server."""
    credential: dict[str, Any] = {}
    if who.certificate and who.key:
        credential = {"certificate": "idevid.der", "key": "idevid.key"}
        stored["idevid.der"] = who.certificate + b"".join(who.intermediates)
        stored["idevid.key"] = who.key
    if who.psk:
        if who.certificate or who.user or who.token:
            raise est.ConfigError("a board takes a pre-shared key, or another credential")
        credential = {"psk_identity": who.psk[0], "psk_key": who.psk[1].hex()}
    if who.user is not None:
        credential.update(user=who.user, password=who.password)
    elif who.token is not None:
        credential["token"] = who.token
        if who.at_once:
            credential["at_once"] = True
    if keep:
        credential["keep"] = True
    if credential:
        settings["credential"] = credential


def _result(flash: Path, went: simulation.Boot) -> dict[str, Any]:
    """Return what to report of a boot; raise the board's own error where it failed."""
    report = went.report
    if report is None:
        last = went.lines[-1] if went.lines else "it printed nothing"
        if went.status < 0:
            raise est.EstError(f"the interpreter crashed, signal {-went.status}: {last}", "boot")
        if "memory" in last.lower():  # so little that the board's own program cannot say it
            raise est.EstError("not enough memory: the heap is too small", "boot")
        raise est.EstError(f"the board stopped without a report: {last}", "boot")
    if report["failure"]:
        raise _error(report)
    store = Store(str(flash / "identity"))
    record, trust = device_record.load(store), device_trust.load(store) or Trust()
    status = report["status"]
    if status["trust"]["store"] == "pinned":
        raise est.TrustError(
            f"the board keeps its certificate of another CA, {status['issuer']}: the server of the"
            " root that its settings name now has not proved itself. To enrol anew, erase its"
            " identity: remove the folder `identity` from its flash",
            "verify",
        )
    return {
        "subject": status["subject"],
        "issuer": status["issuer"],
        "serial": status["serial"],
        "not_before": output.when(status["not_before"]),
        "not_after": output.when(status["not_after"]),
        "fingerprint": status["fingerprint"],
        "chain": status["chain"],
        "chain_sent": status["chain_sent"],
        "trust": {name: value for name, value in status["trust"].items() if value},
        "verified": _verified(
            record,
            trust,
            status["fingerprint"],
            "identity: enrolled" in went.lines,
            _names_an_anchor(flash, trust),
        ),
        "seconds": round(went.seconds, 2),
        "live_heap_bytes": report["live_heap"] or None,
        "flash_operations": report["flash_operations"],
        "console": went.lines,
        "record": record,
        "ca": trust.anchors + trust.authorities,
    }


def _names_an_anchor(flash: Path, trust: Trust) -> bool:
    """Tell whether the settings' fingerprint is an anchor's: its CA has not changed keys since."""
    try:
        settings = json.loads(files.read(flash / "device.json", "settings"))
    except ValueError:
        return False  # MicroPython takes more for JSON than Python does
    named = str(settings.get("trust", {}).get("fingerprint", "")).replace(":", "").lower()
    hashes = (hashlib.sha256, hashlib.sha512)
    return named in [one(der).hexdigest() for one in hashes for der in trust.anchors]


def _verified(record: Record, trust: Trust, fingerprint: str, enrolled: bool, pinned: bool) -> str:
    """Check the stored identity with another implementation (cryptography). Raises TrustError.

    enrolled: whether this boot did it; an older certificate may outlive its CA's key, unless the
    settings name the present one (pinned).
    """
    certificate = host_x509.load_der_x509_certificate(record.certificate)
    key = load_der_private_key(record.key, None)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise est.TrustError("the stored certificate is not for the stored key", "verify")
    if hashlib.sha256(record.certificate).hexdigest() != fingerprint:
        raise est.TrustError("the board reports another certificate than it stored", "verify")
    below = certificate
    above = [host_x509.load_der_x509_certificate(der) for der in record.chain]
    if not all(_issued(*pair) for pair in zip([below, *above], above, strict=False)):
        raise est.TrustError("the stored chain does not belong to the certificate", "verify")
    top = [below, *above][-1]
    anchors = [host_x509.load_der_x509_certificate(der) for der in trust.anchors]
    others = [host_x509.load_der_x509_certificate(der) for der in trust.authorities]
    if any(_issued(top, issuer) for issuer in anchors + others):
        return "key matches, chain leads to the CA (checked with OpenSSL's code by cryptography)"
    if not anchors:
        return "key matches; there are no trust anchors to which the chain could lead"
    if enrolled:
        raise est.TrustError("the stored certificate does not chain to the CA", "verify")
    if pinned or top.issuer not in [anchor.subject for anchor in anchors]:
        names = " and ".join(anchor.subject.rfc4514_string() for anchor in anchors)
        raise est.TrustError(
            f"the board keeps its certificate of another CA: {names}, which it trusts now, did"
            f" not issue it, but {top.issuer.rfc4514_string()}. To enrol anew, erase its"
            " identity: remove the folder `identity` from its flash",
            "verify",
        )
    return "key matches; the CA has replaced the key under which this certificate was issued"


def _issued(below: host_x509.Certificate, issuer: host_x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _error(report: dict[str, Any]) -> est.EstError:
    """Return the board's error as the same class here, so that the exit status is the same."""
    text = report["error"]
    step = report["step"]
    if step and text.startswith(step + ": "):
        text = text[len(step) + 2 :]
    kind = getattr(est_errors, report["failure"], est.EstError)
    if kind is est.ApprovalNeeded:
        candidate = report["status"]["trust"]["candidate"]
        return est.ApprovalNeeded(candidate["subject"], candidate["fingerprint"], step)
    if kind is est.RetryLater:
        until = report["status"].get("pending", {}).get("until")
        left = None if until is None else max(0, until - int(time.time()))
        return est.RetryLater(text, 0, left, step=step)
    if issubclass(kind, est.ServerError):
        return kind(text, 0, step=step)
    return kind(text, step)
