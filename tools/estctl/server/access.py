"""Who may enrol: by HTTP, a client certificate or a pre-shared key (RFC 7030 3.2.3, 3.3.2, 3.3.3,
4.2.2)."""

import ssl

from aiohttp import web
from cryptography import x509

from estctl.server import certificates, http_auth, psk
from estctl.server.authority import Authority
from estctl.server.messages import Refusal
from estctl.server.records import Records
from estctl.server.settings import Authentication
from estctl.server.stage import Credentials

CLIENT = web.RequestKey("client", str)  # who a request is from, for the log


class Access:
    """Tells who sends a request, or refuses it; where the stage says so, takes all as they are."""

    def __init__(
        self,
        authority: Authority,
        records: Records,
        authentication: Authentication,
        user: str,
        password: str,
        psk_identity: str | None = None,
    ) -> None:
        """psk_identity: that of the pre-shared key which TLS takes in place of certificates."""
        self._authority = authority
        self._records = records
        self._scheme = http_auth.scheme(authentication, user, password)
        self._psk_identity = psk_identity

    def reading(self, request: web.Request) -> None:
        """Let everyone read /cacerts and /csrattrs (4.1, 4.5), unless a scenario wants more."""
        if self._authority.stage.credentials == Credentials.TAKEN_FOR_ALL:
            self.enrolling(request)

    def enrolling(self, request: web.Request) -> str:
        """Return how the client proved who it is: in TLS, or else by HTTP.

        Raises Refusal with 401 where it did not (RFC 7030 3.2.3).
        """
        certificate = _peer(request)
        if self._authority.stage.password_first and "Authorization" in request.headers:
            certificate = None
        if certificate is not None:
            client = _presented(request, certificate)
            # A kept or resumed connection may outlive what TLS verified.
            if not certificates.is_current(certificate):
                raise Refusal(403, "the client certificate has expired")
        elif self._psk_identity is not None and psk.used(_tls(request)):
            client = f"pre-shared key of {self._psk_identity}"
        elif self._scheme is None:
            client = "anonymous"
        else:
            client = self._by_http(self._scheme, request)
        request[CLIENT] = client
        return client

    def renewing(self, request: web.Request) -> tuple[x509.Certificate, str]:
        """Return the certificate that is renewed, which authenticated TLS, and how to call it.

        Raises Refusal with 403 where it is not one of ours that is still valid.
        """
        certificate = _peer(request)
        if certificate is None:
            raise Refusal(403, "renewing needs the certificate to renew, in TLS")
        client = _presented(request, certificate)
        if self._takes_all:
            return certificate, client
        if not (self._authority.issued(certificate) and self._records.knows(certificate)):
            raise Refusal(403, "the client certificate was not issued here: it cannot be renewed")
        if not certificates.is_current(certificate):
            raise Refusal(403, "the client certificate has expired: enrol anew")
        return certificate, client

    @property
    def _takes_all(self) -> bool:
        return self._authority.stage.credentials != Credentials.CHECKED

    def _by_http(self, scheme: http_auth.Scheme, request: web.Request) -> str:
        given = request.headers.get("Authorization")
        if given is None:
            raise scheme.refusal(scheme.wanted)
        if self._takes_all:
            return "user of whatever name"
        return scheme.client(given, request)


def _tls(request: web.Request) -> ssl.SSLObject | None:
    """Return the TLS connection of a request."""
    return request.transport.get_extra_info("ssl_object") if request.transport else None


def _peer(request: web.Request) -> x509.Certificate | None:
    """Return the certificate with which the client authenticated TLS, which has verified it."""
    tls = _tls(request)
    der = tls.getpeercert(True) if tls else None
    if not der:
        return None
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise Refusal(403, "the client certificate cannot be read") from None


def _presented(request: web.Request, certificate: x509.Certificate) -> str:
    """Note for the log whose certificate it is, and return it."""
    name = certificate.subject.rfc4514_string()
    client = f"certificate {certificates.serial_text(certificate)} ({name})"
    request[CLIENT] = client
    return client
