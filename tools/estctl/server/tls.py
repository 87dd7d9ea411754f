"""The server's TLS (RFC 7030 3.3; RFC 8996: nothing older than 1.2)."""

import ssl

from estctl.server.authority import Authority
from estctl.server.events import Log, event
from estctl.server.settings import Settings, SettingsError, TlsVersions


def context(authority: Authority, settings: Settings, log: Log) -> ssl.SSLContext:
    """Return the TLS context: client certificates are asked for, and needed only if so set.

    Who fails the handshake is logged, with OpenSSL's reason. Raises SettingsError where
    --client-ca is unusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.tls == TlsVersions.V1_2:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    elif settings.tls == TlsVersions.V1_3:
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_cert_chain(authority.chain_file, authority.key_file)
    made.load_verify_locations(authority.anchors_file)
    made.load_verify_locations(authority.issuing_file)
    if settings.client_ca:
        _trust(made, settings)
    required = settings.require_client_certificate
    made.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    made.sslobject_class = _reporting(log)
    return made


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


def _reporting(log: Log) -> type[ssl.SSLObject]:
    """Return a class of TLS connections that log a failed handshake: asyncio would not."""

    class ReportingTls(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise  # not failed: there is more to come
            except ssl.SSLError as error:
                log(event(f"TLS handshake failed: {_explained(error)}", good=False))
                raise

    return ReportingTls


def _explained(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client certificate is not accepted: {error.verify_message}"
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "alert" in reason:
        return f"the client ended it: {reason}"
    return reason
