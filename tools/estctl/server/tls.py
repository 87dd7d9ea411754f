"""The server's TLS (RFC 7030 3.3; RFC 8996: nothing older than 1.2)."""

import itertools
import ssl
from collections.abc import Callable, Iterable

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from estctl.server.events import Log, event
from estctl.server.settings import Settings, SettingsError, TlsVersions
from estctl.server.stage import Stage, TlsIdentity

Connected = Callable[[int, bool], None]  # connection number, and whether with a certificate


def _ignore(number: int, certified: bool) -> None:
    """Take no note of a connection."""


def context(
    stages: Iterable[Stage], settings: Settings, log: Log, connected: Connected = _ignore
) -> ssl.SSLContext:
    """Return the TLS context: client certificates are asked for, and needed only if so set.

    It presents nothing yet. stages: whose client CAs are trusted. Who fails the handshake is
    logged, with OpenSSL's reason; who completes it is told to `connected`. Raises SettingsError
    where --client-ca is unusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls == TlsVersions.V1_2:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    elif settings.tls == TlsVersions.V1_3:
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    cas = dict.fromkeys(ca for stage in stages for ca in stage.client_cas)
    made.load_verify_locations(cadata=b"".join(ca.public_bytes(Encoding.DER) for ca in cas))
    if settings.client_ca:
        _trust(made, settings)
    required = settings.require_client_certificate
    made.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    made.sslobject_class = _reporting(log, connected)
    return made


def present(context: ssl.SSLContext, identity: TlsIdentity) -> None:
    """Present a certificate to who connects from now on; open connections go on as they are."""
    if identity.ciphers:
        context.set_ciphers(identity.ciphers)
    context.load_cert_chain(identity.chain_file, identity.key_file)


def connection_number(request: web.Request) -> int | None:
    """Return which TLS connection of this server a request came over, counted from 1."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    return getattr(tls, "number", None)


def _trust(made: ssl.SSLContext, settings: Settings) -> None:
    """Trust the CAs of --client-ca, intermediate ones as they are (a maker's IDevID CA)."""
    try:
        made.load_verify_locations(settings.client_ca)
    except OSError as error:  # ssl.SSLError is one
        reason = (
            "it holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        )
        raise SettingsError(f"--client-ca: {settings.client_ca}: {reason}") from None
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _reporting(log: Log, connected: Connected) -> type[ssl.SSLObject]:
    """Return a class of TLS connections that report how the handshake ended: asyncio would not."""
    numbers = itertools.count(1)

    class ReportingTls(ssl.SSLObject):
        number: int | None = None

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise  # not failed: there is more to come
            except ssl.SSLError as error:
                log(event(f"TLS handshake failed: {_explained(error)}", good=False))
                raise
            self.number = next(numbers)
            connected(self.number, bool(self.getpeercert(True)))

    return ReportingTls


def _explained(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "alert" in reason:
        return f"the client ended it: {reason}"
    return reason
