"""The EST operations as HTTP handlers (RFC 7030 section 4, RFC 8951)."""

import sqlite3
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from cryptography import x509

from estctl.server import certificates, cmc, key_generation, linking, renaming
from estctl.server.access import Access
from estctl.server.authority import Authority
from estctl.server.messages import (
    LARGEST_BODY,
    Refusal,
    base64_answer,
    certs_only,
    refusal_answer,
    request_of,
)
from estctl.server.records import Records
from estctl.server.request_policy import RequestRefused
from estctl.server.settings import is_label
from estctl.server.signing import Pair, PublicKey
from estctl.server.waiting import WaitingRoom

NOTE = web.RequestKey("note", str)  # what was done, or why not, for the log
Forge = Callable[[x509.Certificate, Pair], x509.Certificate]
# What makes another certificate of the one that is right: see faults.
FORGED: web.RequestKey[Forge] = web.RequestKey("forged")
_PREFIX = "/.well-known/est"


class Handlers:
    """One method an operation."""

    def __init__(
        self,
        authority: Authority,
        records: Records,
        access: Access,
        labels: tuple[str, ...],
        csrattrs: bytes | None,
        waiting: WaitingRoom,
        linked: bool = False,
        key_encryption_key: bytes | None = None,
    ) -> None:
        """labels: those that exist, none for any; csrattrs: the DER of /csrattrs, or None.

        linked: whether requests have to be linked to their TLS session (3.5).
        """
        self._linked = linked
        self._key_encryption_key = key_encryption_key
        self._waiting = waiting
        self._authority = authority
        self._records = records
        self._access = access
        self._labels = labels
        self._csrattrs = csrattrs

    def application(
        self, *outer: Middleware, inner: tuple[Middleware, ...] = ()
    ) -> web.Application:
        """Return the aiohttp application.

        outer: middlewares that see every answer; inner: those that may raise a Refusal.
        """
        layers = [*outer, _refusals, *inner]
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=layers)
        for prefix in (_PREFIX, _PREFIX + "/{label:.+}"):
            app.router.add_get(prefix + "/cacerts", self.cacerts, allow_head=False)
            app.router.add_get(prefix + "/csrattrs", self.csrattrs, allow_head=False)
            app.router.add_post(prefix + "/simpleenroll", self.simpleenroll)
            app.router.add_post(prefix + "/simplereenroll", self.simplereenroll)
            app.router.add_post(prefix + "/serverkeygen", self.serverkeygen)
            app.router.add_post(prefix + "/fullcmc", self.fullcmc)
        return app

    async def cacerts(self, request: web.Request) -> web.Response:
        """Give the root and the issuing CA (4.1), or what else the stage has."""
        self._label(request)
        self._access.reading(request)
        stage = self._authority.stage
        if stage.cacerts_location:
            return web.Response(status=302, headers={"Location": stage.cacerts_location})
        return certs_only(list(stage.cacerts), "application/pkcs7-mime")

    async def csrattrs(self, request: web.Request) -> web.Response:
        """Say what a request should contain (4.5)."""
        self._label(request)
        self._access.reading(request)
        if self._csrattrs is None:
            return web.Response(status=204)
        return base64_answer(self._csrattrs, "application/csrattrs")

    async def simpleenroll(self, request: web.Request) -> web.Response:
        """Issue a certificate (4.2.1)."""
        label = self._label(request)
        client = self._access.enrolling(request)
        csr = await request_of(request)
        self._waiting.check(csr)
        return self._issue(request, csr, "simpleenroll", label, client)

    async def simplereenroll(self, request: web.Request) -> web.Response:
        """Renew the certificate with which TLS was authenticated, or give it a new key (4.2.2)."""
        label = self._label(request)
        old, client = self._access.renewing(request)
        csr = await request_of(request)
        if csr.subject != old.subject or _names(csr) != _names(old):
            raise Refusal(400, "subject and subjectAltName must equal the old certificate's")
        return self._issue(request, csr, "simplereenroll", label, client)

    async def serverkeygen(self, request: web.Request) -> web.Response:
        """Make a key, encrypted where the request asks for it, and certify it (4.4)."""
        label = self._label(request)
        client = self._access.enrolling(request)
        csr = await request_of(request)
        self._waiting.check(csr)
        protect = key_generation.protection(csr, self._key_encryption_key)
        key = await key_generation.new_key(csr)
        public = key.public_key()
        certificate = self._certified(request, csr, "serverkeygen", label, client, public)
        return key_generation.answer(key, protect, certificate, self._authority.stage.issuer)

    async def fullcmc(self, request: web.Request) -> web.Response:
        """Issue a certificate for a Full PKI Request; sign the answer, refusals too (4.3)."""
        label = self._label(request)
        client = self._access.enrolling(request)
        message = await cmc.octets(request)
        exchange = cmc.Exchange()
        try:
            csr = cmc.read(message, exchange)
            self._check_signer(cmc.check(exchange, csr))
            self._waiting.check(csr)
            certificate = self._certified(request, csr, "fullcmc", label, client)
        except cmc.Failure as error:
            failure = error
        except Refusal as error:
            if error.status != 400:
                raise
            failure = cmc.Failure(cmc.BAD_REQUEST, str(error))
        else:
            return cmc.issued(exchange, certificate, self._authority.registrar)
        request[NOTE] = str(failure)
        return cmc.refused(exchange, failure, self._authority.registrar)

    def _check_signer(self, certificate: x509.Certificate | None) -> None:
        """Refuse a message that a certificate signed which is not ours, or has expired."""
        if certificate is None:
            return
        if not self._authority.issued(certificate) or not certificates.is_current(certificate):
            raise cmc.Failure(cmc.BAD_MESSAGE_CHECK, "the signer's certificate is not valid here")

    def _issue(
        self,
        request: web.Request,
        csr: x509.CertificateSigningRequest,
        operation: str,
        label: str,
        client: str,
    ) -> web.Response:
        certificate = self._certified(request, csr, operation, label, client)
        return certs_only([certificate], "application/pkcs7-mime; smime-type=certs-only")

    def _certified(
        self,
        request: web.Request,
        csr: x509.CertificateSigningRequest,
        operation: str,
        label: str,
        client: str,
        key: PublicKey | None = None,
    ) -> x509.Certificate:
        """Issue and record a certificate for the request's key, or for another one."""
        if self._linked:
            linking.check(request, csr)
        try:
            names = renaming.asked(csr) if operation == "simplereenroll" else None
            certificate = self._authority.issue(csr, names, key)
            if FORGED in request:
                certificate = request[FORGED](certificate, self._authority.stage.issuer)
        except RequestRefused as error:
            raise Refusal(400, str(error)) from None
        self._records.add(certificate, operation, label, client)
        subject = certificate.subject.rfc4514_string()
        request[NOTE] = f"issued {certificates.serial_text(certificate)} ({subject})"
        return certificate

    def _label(self, request: web.Request) -> str:
        """Return the label of a path, "" without one (3.2.2). Raises Refusal with 404."""
        label: str = request.match_info.get("label", "")
        if label and (not is_label(label) or (self._labels and label not in self._labels)):
            raise Refusal(404, "no such label")
        return label


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals, and errors of aiohttp and of the database, into one line of text."""
    try:
        return await handler(request)
    except Refusal as error:
        refusal = error
    except web.HTTPException as error:
        refusal = _as_refusal(error)
    except web.RequestPayloadError:
        refusal = Refusal(400, "the body is cut off, or not in the coding that the header names")
    except sqlite3.Error as error:
        refusal = Refusal(503, f"what is issued cannot be recorded: {error}")
    request[NOTE] = str(refusal)
    return refusal_answer(refusal)


def _as_refusal(error: web.HTTPException) -> Refusal:
    allow = error.headers.get("Allow")
    if error.status == 404:
        return Refusal(404, "no such operation here")
    if error.status == 413:
        return Refusal(413, f"the body is longer than {LARGEST_BODY} bytes")
    return Refusal(error.status, error.reason, {"Allow": allow} if allow else None)


def _names(
    holder: x509.Certificate | x509.CertificateSigningRequest,
) -> x509.SubjectAlternativeName | None:
    """Return the subjectAltName; None where there is none, or none that can be read."""
    try:
        found = holder.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None
    return found.value
