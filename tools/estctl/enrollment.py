"""The commands that speak EST from the host: cacerts, csrattrs, enroll, reenroll.

They run lib/est.py itself; here files are read, waiting is bounded, and results are written.
"""

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import est
import est_link
import typer
from pki import csr as requests
from pki import key_wishes, renewal, x509
from pki.csrattrs import CsrAttributes

from estctl import files, keeping, options, output
from estctl.host_key import HostKey

T = TypeVar("T")

_FIRST_WAIT, _LONGEST_WAIT = 10, 300  # seconds, where a server says "not yet" and not how long


def cacerts(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
    out_ca: options.OutCa = None,
    psk_identity: options.PskIdentity = None,
    psk_key_file: options.PskKeyFile = None,
    allow_redirect: options.AllowRedirect = None,
    as_json: options.Json = False,
) -> None:
    """Fetch the CA certificates (RFC 7030 4.1)."""
    given = locals()

    async def work() -> dict[str, Any]:
        options.check(given)
        whom = options.trust(anchors, fingerprint, system_trust, revocation, psk_identity)
        nobody = (None, None, None, None, None, None, None, False)
        who = options.credential(*nobody, psk_identity, psk_key_file)
        log = output.progress(as_json)
        async with options.client(url, whom, who, log, redirects=allow_redirect) as client:
            found = await client.cacerts()
            if whom.revocation != options.Policy.OFF and not client.verified:
                await client.connect()  # what a fingerprint vouched for is looked up there
        if out_ca:
            files.write_certificates(out_ca, found)
        return {
            "certificates": [_certificate(der) for der in found],
            "file": str(out_ca) if out_ca else None,
            "authorised_by": _authorised(client),
            "handshakes": client.handshakes,
        }

    run(work(), as_json, "CA certificates")


def csrattrs(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
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
    allow_redirect: options.AllowRedirect = None,
    as_json: options.Json = False,
) -> None:
    """Ask what the server wants in a request (RFC 7030 4.5)."""
    given = locals()

    async def work() -> dict[str, Any]:
        options.check(given)
        whom = options.trust(anchors, fingerprint, system_trust, revocation, psk_identity)
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
        log = output.progress(as_json)
        async with options.client(url, whom, who, log, redirects=allow_redirect) as client:
            attributes = await client.csrattrs()
        return {"attributes": attributes.as_text() if attributes else []}

    run(work(), as_json, "CSR attributes")


def enroll(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
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
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="Make a P-256 key (the default without --key and --csr)."),
    ] = False,
    pending_key: options.PendingKey = None,
    csr: Annotated[
        Path | None, typer.Option("--csr", help="Send this PKCS #10 request, PEM or DER.")
    ] = None,
    subject: options.Subject = None,
    san: options.San = None,
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    force: options.Force = False,
    out_ca: options.OutCa = None,
    max_wait: options.MaxWait = 0,
    link: options.Link = options.LinkPolicy.DEMANDED,
    original_spec: options.OriginalSpec = False,
    allow_redirect: options.AllowRedirect = None,
    as_json: options.Json = False,
) -> None:
    """Enrol: get a certificate for a key (RFC 7030 4.2.1)."""
    given = locals()

    async def work() -> dict[str, Any]:
        if csr is not None:
            if new_key or pending_key or subject or san or (key and not cert):
                raise est.ConfigError(
                    "--csr is sent as it is: leave out --subject, --san and what is about its key"
                )
            if link == options.LinkPolicy.REQUIRED:
                raise est.ConfigError(
                    "--csr is sent as it is: it cannot be linked (--link required)"
                )
            if out_key:
                output.warn("warning: --out-key is not written: the request has its own key")
        elif pending_key and (new_key or (key and not cert)):
            raise est.ConfigError("--pending-key is the key to enrol: leave out the other one")
        makes_key = csr is None and pending_key is None and (key is None or new_key)
        keeping.check({**given, "out_key": None} if csr else given, makes_key)
        wanted, names = options.names(subject, san)
        whom = options.trust(anchors, fingerprint, system_trust, revocation, psk_identity)
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
            key_alone=True,
        )
        request = None if csr is None else files.read_request(csr)
        own_key = None if csr else keeping.key_of(pending_key, None if new_key else key)
        made = None
        if own_key and makes_key and out_key:
            # Without a certificate --key is free for it.
            made = keeping.NewKey(own_key, out_key, "--pending-key" if who.key else "--key")
        log = output.progress(as_json)
        async with options.client(url, whom, who, log, original_spec, allow_redirect) as client:
            await client.cacerts()
            if request is None:
                attributes = await client.csrattrs()
                await _remark(attributes, own_key, log)
                demanded = attributes is not None and attributes.wants_challenge_password

                def make(binding: bytes | None) -> Awaitable[bytes]:
                    more = est_link.attributes(binding, demanded, link.policy)
                    parts = (wanted, names, (), (), attributes, more)
                    return requests.build(own_key, *parts)  # type: ignore[no-any-return]

                request = await linked(client, make)
            issued = await patiently(lambda: client.simpleenroll(request), max_wait, as_json, made)
        return await written(client, issued, own_key, out_cert, out_key, out_ca)

    run(work(), as_json, "Enrolled")


def reenroll(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
    cert: options.Cert = None,
    key: options.Key = None,
    p12: options.P12 = None,
    p12_password_file: options.P12PasswordFile = None,
    rekey: Annotated[
        bool, typer.Option("--rekey", help="Make a new P-256 key; needs --out-key.")
    ] = False,
    pending_key: options.PendingKey = None,
    new_subject: Annotated[
        str | None,
        typer.Option("--new-subject", help="Ask for another subject (ChangeSubjectName)."),
    ] = None,
    new_san: Annotated[
        str | None,
        typer.Option(
            "--new-san",
            callback=options.without_spaces,
            help="Ask for another subjectAltName, as --san of enroll.",
        ),
    ] = None,
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    force: options.Force = False,
    out_ca: options.OutCa = None,
    max_wait: options.MaxWait = 0,
    link: options.Link = options.LinkPolicy.DEMANDED,
    original_spec: options.OriginalSpec = False,
    allow_redirect: options.AllowRedirect = None,
    as_json: options.Json = False,
) -> None:
    """Renew a certificate with its key, or with a new one (RFC 7030 4.2.2)."""
    given = locals()

    async def work() -> dict[str, Any]:
        if rekey and pending_key:
            raise est.ConfigError("give one of --rekey and --pending-key")
        keeping.check(given, makes_key=rekey)
        whom = options.trust(anchors, fingerprint, system_trust, revocation)
        who = options.credential(None, None, cert, key, p12, p12_password_file)
        if who.certificate is None or who.key is None:
            raise est.ConfigError("give the certificate to renew: --cert and --key, or --p12")
        other_key = rekey or pending_key is not None
        own_key = keeping.key_of(pending_key) if other_key else HostKey.load(who.key)
        made = keeping.NewKey(own_key, out_key) if rekey and out_key else None
        _, names = options.names(new_subject, new_san)

        def make(binding: bytes | None) -> Awaitable[bytes]:
            more = est_link.attributes(binding, False, link.policy)
            parts = (who.certificate, new_subject, names, more)
            return renewal.build(own_key, *parts)  # type: ignore[no-any-return]

        log = output.progress(as_json)
        async with options.client(url, whom, who, log, original_spec, allow_redirect) as client:
            request = await linked(client, make)
            issued = await patiently(
                lambda: client.simplereenroll(request), max_wait, as_json, made
            )
        return await written(client, issued, own_key, out_cert, out_key, out_ca)

    run(work(), as_json, "Renewed")


def run(work: Coroutine[Any, Any, dict[str, Any]], as_json: bool, title: str) -> None:
    """Run a command's work and print its result, or its error."""
    try:
        values = asyncio.run(work)
    except est.EstError as error:
        output.fail(error, as_json)
    output.report(values, as_json, title)


async def _remark(attributes: CsrAttributes | None, key: HostKey | None, log: output.Log) -> None:
    """Say what the server lists and the request does without."""
    if attributes and key:
        for text in key_wishes.unmet(attributes, await key.public_key()):
            log(logging.WARNING, f"csrattrs: the server lists {text}; this request does without")


async def linked(
    client: est.Client, make: Callable[[bytes | None], Awaitable[bytes]]
) -> est_link.Linked:
    """Return a request that is made for each connection anew; once now, to see whether it can."""
    request = est_link.Linked(client, make)
    await est_link.channel_binding(client)
    await request()
    return request


async def patiently(
    attempt: Callable[[], Awaitable[T]],
    max_wait: int,
    as_json: bool,
    made: keeping.NewKey | None = None,
) -> T:
    """Try until the server has made up its mind, as long as --max-wait allows (RFC 7030 4.2.3).

    made: a new key, which is kept from the first "not yet" on, however the waiting ends.
    """
    log = output.progress(as_json)
    left = max_wait
    longest = _FIRST_WAIT
    kept = ""
    try:
        while True:
            try:
                return await attempt()
            except est.RetryLater as error:
                if made and not kept:
                    kept = await made.keep()
                wait = error.retry_after
                if not wait:  # it does not say: exponential backoff with full jitter
                    wait = random.randint(1, longest)
                    longest = min(2 * longest, _LONGEST_WAIT)
                if wait > left:
                    raise
                log(logging.WARNING, f"{error}; waiting")
                left -= wait
                await asyncio.sleep(wait)
    except est.EstError as error:
        if kept:
            error.message += "; " + kept
        raise
    except asyncio.CancelledError:  # Ctrl-C
        if kept:
            output.warn(kept)
        raise


async def written(
    client: est.Client,
    issued: bytes,
    key: HostKey | None,
    out_cert: Path | None,
    out_key: Path | None,
    out_ca: Path | None,
) -> dict[str, Any]:
    """Write what came out, all of it or nothing; return what to report."""
    new = []
    if out_key and key:
        new.append(files.of_key(out_key, await key.private_bytes()))
    if out_cert:
        new.append(files.of_certificates(out_cert, [issued, *client.chain]))
    if out_ca:
        new.append(files.of_certificates(out_ca, client.ca_certificates))
    files.replace(*new)
    if out_key and key:
        keeping.done(new[0])
    return {
        **_certificate(issued),
        "chain_length": len(client.chain),
        "authorised_by": _authorised(client),
        "handshakes": client.handshakes,
        "cert_file": str(out_cert) if out_cert else None,
        "key_file": str(out_key) if out_key and key else None,
        "ca_file": str(out_ca) if out_ca else None,
    }


def _authorised(client: est.Client) -> str:
    """Return which store of trust anchors vouched for the server, and by what."""
    return ", ".join(client.authorised)


def _certificate(der: bytes) -> dict[str, Any]:
    """Return what people want to know of a certificate."""
    certificate = x509.Certificate(der)
    return {
        "subject": output.name(certificate.subject),
        "issuer": output.name(certificate.issuer),
        "serial": certificate.serial_hex,
        "not_before": output.when(certificate.not_before),
        "not_after": output.when(certificate.not_after),
        "fingerprint": hashlib.sha256(der).hexdigest(),
    }
