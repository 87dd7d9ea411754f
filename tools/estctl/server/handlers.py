"""The EST operations as HTTP handlers (RFC 7030 section 4, RFC 8951)."""

import base64
import binascii
import hmac
from dataclasses import dataclass

from aiohttp import BasicAuth, web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from estctl.server.authority import Authority, RequestRefused
from estctl.server.records import Records

OPERATIONS = ("cacerts", "csrattrs", "simpleenroll", "simplereenroll", "serverkeygen", "fullcmc")
_PREFIX = "/.well-known/est"
_LARGEST_REQUEST = 65536
_REALM = 'Basic realm="EST", charset="UTF-8"'


@dataclass
class Policy:
    """Who gets what."""

    authentication: str  # "basic" or "none"
    user: str
    password: str
    labels: frozenset[str]  # empty: every label
    csrattrs: bytes | None  # DER


class Refusal(Exception):
    """An answer that is an error: status and one line of text (RFC 7030 4.2.3)."""

    def __init__(self, status: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


class Handlers:
    """One method an operation."""

    def __init__(self, authority: Authority, records: Records, policy: Policy) -> None:
        self._authority = authority
        self._records = records
        self._policy = policy

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[_refusals])
        for prefix in (_PREFIX, _PREFIX + "/{label:.+}"):
            app.router.add_get(prefix + "/cacerts", self.cacerts, allow_head=False)
            app.router.add_get(prefix + "/csrattrs", self.csrattrs, allow_head=False)
            app.router.add_post(prefix + "/simpleenroll", self.simpleenroll)
            app.router.add_post(prefix + "/simplereenroll", self.simplereenroll)
        return app

    async def cacerts(self, request: web.Request) -> web.Response:
        """Give the root and the issuing CA (4.1)."""
        self._label(request)
        return _certs_only([self._authority.root.certificate, self._authority.issuing.certificate])

    async def csrattrs(self, request: web.Request) -> web.Response:
        """Say what a request should contain (4.5)."""
        self._label(request)
        if self._policy.csrattrs is None:
            return web.Response(status=204)
        return _base64(self._policy.csrattrs, "application/csrattrs")

    async def simpleenroll(self, request: web.Request) -> web.Response:
        """Issue a certificate (4.2.1)."""
        label = self._label(request)
        client = self._authenticated(request)
        return await self._issue(request, label, client, "simpleenroll")

    async def simplereenroll(self, request: web.Request) -> web.Response:
        """Renew the certificate with which TLS was authenticated (4.2.2)."""
        label = self._label(request)
        old = _peer(request)
        if old is None or not (self._authority.issued_by_us(old) and self._records.knows(old)):
            raise Refusal(403, "renewing needs a valid certificate of this CA in TLS")
        csr = await _csr(request)
        if csr.subject != old.subject or _names(csr) != _names(old):
            raise Refusal(400, "subject and subjectAltName must equal the old certificate's")
        return await self._issue(request, label, _client_text(old), "simplereenroll")

    async def _issue(
        self, request: web.Request, label: str, client: str, operation: str
    ) -> web.Response:
        csr = await _csr(request)
        try:
            certificate = self._authority.issue(csr)
        except RequestRefused as error:
            raise Refusal(400, str(error)) from None
        self._records.add(certificate, operation, label, client)
        request["client"] = client
        return _certs_only([certificate])

    def _label(self, request: web.Request) -> str:
        label = request.match_info.get("label", "")
        if label and self._policy.labels and label not in self._policy.labels:
            raise Refusal(404, f"no such label: {label}")
        return label

    def _authenticated(self, request: web.Request) -> str:
        """Return how the client proved who it is (3.2.3, 3.3.2); refuse it where it did not."""
        certificate = _peer(request)
        if certificate is not None:
            return _client_text(certificate)
        if self._policy.authentication == "none":
            return "anonymous"
        challenge = {"WWW-Authenticate": _REALM}
        given = request.headers.get("Authorization")
        if given is None:
            raise Refusal(401, "give user name and password, or a client certificate", challenge)
        try:
            auth = BasicAuth.decode(given, "utf-8")
        except ValueError:
            raise Refusal(401, "the credentials are not HTTP Basic", challenge) from None
        right = hmac.compare_digest(auth.login.encode(), self._policy.user.encode())
        right &= hmac.compare_digest(auth.password.encode(), self._policy.password.encode())
        if not right:
            raise Refusal(401, "wrong user name or password", challenge)
        return f"user {auth.login}"


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals, and aiohttp's own errors, into one line of text."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.Response(status=refusal.status, text=f"{refusal}\n", headers=refusal.headers)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return web.Response(status=error.status, text=f"{error.reason}\n", headers=headers)


async def _csr(request: web.Request) -> x509.CertificateSigningRequest:
    """Return the PKCS #10 request of a body; refuse what is none."""
    if request.content_type != "application/pkcs10":
        raise Refusal(415, "the body must be application/pkcs10")
    try:
        der = base64.b64decode(b"".join((await request.read()).split()), validate=True)
    except binascii.Error:
        raise Refusal(
            400, "the body is not base64 (RFC 8951: of the DER, without armour)"
        ) from None
    try:
        return x509.load_der_x509_csr(der)
    except ValueError:
        raise Refusal(400, "the body is no PKCS #10 request in DER") from None


def _peer(request: web.Request) -> x509.Certificate | None:
    """Return the client certificate of the TLS connection."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    der = tls.getpeercert(True) if tls else None
    return x509.load_der_x509_certificate(der) if der else None


def _client_text(certificate: x509.Certificate) -> str:
    return f"certificate {certificate.serial_number:x} ({certificate.subject.rfc4514_string()})"


def _names(
    holder: x509.Certificate | x509.CertificateSigningRequest,
) -> x509.SubjectAlternativeName | None:
    try:
        found = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return None
    return found.value


def _certs_only(certificates: list[x509.Certificate]) -> web.Response:
    message = pkcs7.serialize_certificates(certificates, Encoding.DER)
    return _base64(message, "application/pkcs7-mime; smime-type=certs-only")


def _base64(der: bytes, content_type: str) -> web.Response:
    headers = {"Content-Type": content_type, "Content-Transfer-Encoding": "base64"}
    return web.Response(body=base64.encodebytes(der), headers=headers)
