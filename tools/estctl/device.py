"""The command `device`: boots a simulated board that enrols as a real one would."""

import hashlib
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import est
import est_errors
import typer
import unix_time
from cryptography import x509 as host_x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from devid.store import Record, Store

from estctl import files, options, output, simulation

Interpreter = Enum(  # type: ignore[misc]
    "Interpreter", {name: name for name in simulation.INTERPRETERS}, type=str
)


def device(
    flash: Annotated[Path, typer.Option("--flash", help="Folder that is the board's flash.")],
    url: Annotated[
        str | None,
        typer.Option("--url", help="https://HOST:PORT/LABEL; without --url: boot what is there."),
    ] = None,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    user: options.User = None,
    password_file: options.PasswordFile = None,
    cert: options.Cert = None,
    key: options.Key = None,
    p12: options.P12 = None,
    p12_password_file: options.P12PasswordFile = None,
    subject: options.Subject = "CN=device-{unique_id}",
    san: options.San = None,
    board: Annotated[
        str, typer.Option("--board", help="Whose board_config: a folder of boards/.")
    ] = "UNIX",
    interpreter: Annotated[
        Interpreter, typer.Option("--interpreter", help="What the board runs.")
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
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    out_ca: options.OutCa = None,
    as_json: options.Json = False,
) -> None:
    """Boot a simulated board: it makes its key, enrols, and stores its identity."""
    try:
        files.check_writable(out_cert, out_key, out_ca)
        if url is not None:
            who = options.credential(user, password_file, cert, key, p12, p12_password_file)
            whom = options.trust(anchors, fingerprint, False)
            settings, stored = _settings(url, whom, who, subject, san)
            simulation.write_settings(flash, settings, stored)
        elif not (flash / "device.json").is_file():
            raise est.ConfigError(f"{flash} has no device.json yet: give --url and trust")
        compiled = not source and interpreter.value != "cpython"
        simulation.prepare(flash, board, compiled)
        echo = output.progress(as_json)
        went = simulation.boot(
            flash, interpreter.value, heap, meter, lambda line: echo("  " + line)
        )
        values = _result(flash, went)
        record = values.pop("record")
        if out_key:
            files.write_key(out_key, record.key)
        if out_cert:
            files.write_certificates(out_cert, [record.certificate, *record.chain])
        if out_ca:
            files.write_certificates(out_ca, record.anchors)
    except est.EstError as error:
        output.fail(error, as_json)
    if not as_json:
        del values["console"]  # it was shown while the board ran
    output.report(values, as_json, "The board's identity")


def _settings(
    url: str, whom: options.Trust, who: options.Credential, subject: str | None, san: str | None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return device.json's content, and the files that it names, as a user would write them."""
    settings: dict[str, Any] = {"url": url, "subject": subject or "", "ntp": False}
    stored: dict[str, bytes] = {}
    if whom.fingerprint:
        settings["trust"] = {"fingerprint": whom.fingerprint}
    else:
        settings["trust"] = {"anchors": "anchors.der"}
        stored["anchors.der"] = b"".join(whom.anchors)
    if who.certificate and who.key:
        settings["credential"] = {"certificate": "idevid.der", "key": "idevid.key"}
        stored["idevid.der"], stored["idevid.key"] = who.certificate, who.key
    elif who.user is not None:
        settings["credential"] = {"user": who.user, "password": who.password}
    if san:
        settings["san"] = san.split(",")
    return settings, stored


def _result(flash: Path, went: simulation.Boot) -> dict[str, Any]:
    """Return what to report of a boot; raise the board's own error where it failed."""
    report = went.report
    if report is None:
        last = went.lines[-1] if went.lines else "it printed nothing"
        raise est.EstError(f"the board stopped without a report: {last}", "boot")
    if report["failure"]:
        raise _error(report)
    record = Store(str(flash / "identity")).load()
    status = report["status"]
    return {
        "subject": status["subject"],
        "issuer": status["issuer"],
        "serial": status["serial"],
        "not_before": unix_time.text(status["not_before"]),
        "not_after": unix_time.text(status["not_after"]),
        "fingerprint": status["fingerprint"],
        "verified": _verified(record, status["fingerprint"]),
        "seconds": round(went.seconds, 2),
        "live_heap_bytes": report["live_heap"] or None,
        "console": went.lines,
        "record": record,
    }


def _verified(record: Record, fingerprint: str) -> str:
    """Check the stored identity with another implementation (cryptography). Raises TrustError."""
    certificate = host_x509.load_der_x509_certificate(record.certificate)
    key = load_der_private_key(record.key, None)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise est.TrustError("the stored certificate is not for the stored key", "verify")
    if hashlib.sha256(record.certificate).hexdigest() != fingerprint:
        raise est.TrustError("the board reports another certificate than it stored", "verify")
    try:
        below = certificate
        for der in record.chain:
            issuer = host_x509.load_der_x509_certificate(der)
            below.verify_directly_issued_by(issuer)
            below = issuer
        anchors = [host_x509.load_der_x509_certificate(der) for der in record.anchors]
        anchor = next(anchor for anchor in anchors if anchor.subject == below.issuer)
        below.verify_directly_issued_by(anchor)
    except Exception:
        raise est.TrustError("the stored certificate does not chain to the CA", "verify") from None
    return "key matches, chain leads to the CA (checked with OpenSSL's code by cryptography)"


def _error(report: dict[str, Any]) -> est.EstError:
    """Return the board's error as the same class here, so that the exit status is the same."""
    text = report["error"]
    step = report["step"]
    if step and text.startswith(step + ": "):
        text = text[len(step) + 2 :]
    kind = getattr(est_errors, report["failure"], est.EstError)
    if issubclass(kind, est.ServerError):
        return kind(text, 0, step=step)
    return kind(text, step)
