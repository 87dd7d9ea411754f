"""What a profile's server wants of a request, beyond what this server wants anyway.

A middleware that refuses, within the one that turns refusals into answers.
"""

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography import x509

from estctl.server.messages import Refusal, request_of
from estctl.server.profiles import Quirks

_ENROLLING = ("simpleenroll", "simplereenroll", "serverkeygen", "fullcmc")
_RETRY_AFTER = 1  # seconds


class Rules:
    """The rules of one server, and what it remembers for them."""

    def __init__(self, quirks: Quirks, labels: tuple[str, ...]) -> None:
        """labels: those of --label, which are right whatever the profile says."""
        self._quirks = quirks
        self._labels = labels
        self._used: set[str] = set()  # credentials that have served
        self._asked: dict[bytes, int] = {}  # how often a subject has asked

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse, or let the request be answered."""
        self._check_label(request)
        if request.path.rpartition("/")[2] not in _ENROLLING:
            response = await handler(request)
            absent = request.path.endswith("/csrattrs") and response.status == 204
            if absent and self._quirks.csrattrs.isdigit():
                raise Refusal(int(self._quirks.csrattrs), "no CSR attributes here")
            return response
        self._check_credential(request)
        await self._check_body(request)
        response = await handler(request)
        if response.status == 200:
            await self._let_wait(request)
            self._used.add(request.headers.get("Authorization", ""))
        return response

    def _check_label(self, request: web.Request) -> None:
        label = request.match_info.get("label", "")
        if not self._quirks.labels or label in self._labels:
            return
        segments = len(label.replace(self._quirks.joined_by, "/").split("/")) if label else 0
        if segments not in self._quirks.labels:
            raise Refusal(404, "no such label")

    def _check_credential(self, request: web.Request) -> None:
        tls = request.transport.get_extra_info("ssl_object") if request.transport else None
        if self._quirks.certificate_needed and not (tls and tls.getpeercert(True)):
            raise Refusal(401, "a client certificate is needed")
        given = request.headers.get("Authorization")
        if self._quirks.one_time_password and given in self._used:
            raise Refusal(401, "this code has been used")

    async def _check_body(self, request: web.Request) -> None:
        if self._quirks.chunked_refused and "Transfer-Encoding" in request.headers:
            raise Refusal(400, "chunked bodies are not taken")
        if self._quirks.newline_needed and b"\n" not in await request.read():
            raise Refusal(400, "the base64 has no line end")

    async def _let_wait(self, request: web.Request) -> None:
        """Answer 202 as long as nobody has approved: what was issued stays in the drawer."""
        if self._quirks.approvals and request.path.endswith("/simpleenroll"):
            csr: x509.CertificateSigningRequest = await request_of(request)
            subject = csr.subject.public_bytes()
            self._asked[subject] = self._asked.get(subject, 0) + 1
            if self._asked[subject] <= self._quirks.approvals:
                later = {"Retry-After": str(_RETRY_AFTER)}
                raise Refusal(202, "somebody has to approve this", later)
