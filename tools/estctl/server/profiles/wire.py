"""How a profile's server writes its answers: the same content, in the form of other servers.

The outermost middleware takes each answer apart and sends octets of its own, past aiohttp.
"""

import asyncio
import base64
import http
import warnings

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from pki import der, der_writer

from estctl.server.authority import Authority
from estctl.server.profiles import Quirks

_PKCS7, _CSRATTRS = "application/pkcs7-mime", "application/csrattrs"
_DATA = bytes.fromhex("06092a864886f70d010701")  # id-data (RFC 5652 4)
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # id-signedData (RFC 5652 5.1)
_PAUSE = 0.005  # seconds between records: the network's stack sends each by itself


class Written(web.StreamResponse):
    """An answer whose octets, head included, are given; each piece is a TLS record."""

    def __init__(self, status: int, pieces: list[bytes], closes: bool) -> None:
        super().__init__(status=status)
        self._pieces = pieces
        self._closes = closes
        self._transport: asyncio.Transport | None = None

    @property
    def octets(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may carry another request."""
        return not self._closes

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Take note of where the octets go."""
        self._transport = request.transport
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send them."""
        for piece in self._pieces:
            if self._transport is None or self._transport.is_closing():
                raise ConnectionResetError
            self._transport.write(piece)
            if len(self._pieces) > 1:
                await asyncio.sleep(_PAUSE)


class Wire:
    """Writes the answers of one server."""

    def __init__(self, quirks: Quirks, authority: Authority) -> None:
        self._quirks = quirks
        self._authority = authority

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as the handler does, written in another way."""
        response = await handler(request)
        if not isinstance(response, web.Response):
            return response
        body = response.body
        if not isinstance(body, (bytes, type(None))):
            return response
        return self._rewritten(request, response, body or b"")

    def _rewritten(self, request: web.Request, response: web.Response, body: bytes) -> Written:
        quirks, status = self._quirks, response.status
        if status == 200:
            body = self._body(request, response.content_type, body)
            status = quirks.success
        headers = self._headers(request, response, status)
        closes = not request.keep_alive or status in quirks.close_after
        if status in quirks.unframed:
            body, closes = b"", True
        elif status == 204:
            body = b""
        elif quirks.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
            body = _chunked(body)
        elif quirks.framing == "close":
            closes = True
        else:
            headers["Content-Length"] = str(len(body))
        said = status not in (*quirks.close_after, *quirks.unframed)
        if closes and said and quirks.framing != "close":
            headers["Connection"] = "close"
        head = self._head(status, headers)
        apart = quirks.records_apart and body
        return Written(status, [head, body] if apart else [head + body], closes)

    def _head(self, status: int, headers: dict[str, str]) -> bytes:
        spelled = {"lower": str.lower, "upper": str.upper}.get(self._quirks.header_names, str)
        lines = [f"HTTP/1.1 {_with_reason(status)}"]
        lines += [f"{spelled(name)}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    def _headers(
        self, request: web.Request, response: web.Response, status: int
    ) -> dict[str, str]:
        """Return the headers but for those of the framing."""
        quirks = self._quirks
        found = {
            name.title(): value
            for name, value in response.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "connection")
        }
        challenge = found.pop("Www-Authenticate", None)
        if challenge and (quirks.challenge_for_wrong or "Authorization" not in request.headers):
            found["WWW-Authenticate"] = quirks.challenge or challenge
        if quirks.content_type == "none":
            found.pop("Content-Type", None)
        elif quirks.content_type == "odd" and "Content-Type" in found:
            found["Content-Type"] = _oddly(found["Content-Type"])
        if response.status == 200 and quirks.form == "der":
            found.pop("Content-Transfer-Encoding", None)
        for name, value in quirks.headers.items():
            found[name] = value.format(status=_with_reason(status))
        return found

    def _body(self, request: web.Request, content_type: str, body: bytes) -> bytes:
        """Return the body of a success in the form of the profile."""
        if content_type not in (_PKCS7, _CSRATTRS):
            return body
        message = base64.b64decode(body)
        quirks = self._quirks
        tail = quirks.tail
        if content_type == _CSRATTRS:
            tail += quirks.csrattrs_tail
        else:
            certificates = self._certificates(request, message)
            if quirks.form == "pem-certificates":
                return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
            message = _certs_only(certificates)
        if quirks.form == "der":
            return message
        if quirks.form == "pem" and content_type == _PKCS7:
            text = _lines(message, 64, "\n")
            return f"-----BEGIN PKCS7-----\n{text}-----END PKCS7-----\n".encode()
        return (_lines(message, quirks.line, quirks.line_end) + tail).encode()

    def _certificates(self, request: web.Request, message: bytes) -> list[x509.Certificate]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that reading PKCS #7 may change
            found = pkcs7.load_der_pkcs7_certificates(message)
        if self._quirks.enrol_chain and not request.path.endswith("/cacerts"):
            found.append(self._authority.stage.issuer.certificate)
        if self._quirks.order:
            found.sort(key=_height, reverse=self._quirks.order == "root-first")
        return found


def _height(certificate: x509.Certificate) -> int:
    """Return 0 for a device, 1 for a CA, 2 for a root."""
    if certificate.subject == certificate.issuer:
        return 2
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    return int(constraints.value.ca)


def _certs_only(certificates: list[x509.Certificate]) -> bytes:
    """Return a certs-only message in this order, which DER would sort and nobody needs."""
    encoded = [each.public_bytes(Encoding.DER) for each in certificates]
    empty = der_writer.tlv(der.SET)
    content = der_writer.tlv(der.SEQUENCE, _DATA)
    inner = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(1),
        empty,
        content,
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, *encoded),
        empty,
    )
    wrapped = der_writer.tlv(der.CONSTRUCTED_CONTEXT, inner)
    return bytes(der_writer.tlv(der.SEQUENCE, _SIGNED_DATA, wrapped))


def _lines(message: bytes, width: int, end: str) -> str:
    text = base64.b64encode(message).decode()
    width = width or len(text)
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    # On one line there is no line end at all.
    return text if width == len(text) else "".join(line + end for line in lines)


def _chunked(body: bytes) -> bytes:
    """Return a body in chunks of a size that cuts groups of four (RFC 9112 7.1)."""
    pieces = [body[start : start + 333] for start in range(0, len(body), 333)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _oddly(content_type: str) -> str:
    kind, _, parameters = content_type.partition(";")
    return f"{kind.title()} ;{parameters.upper()}; Charset=UTF-8"


def _with_reason(status: int) -> str:
    return f"{status} {http.HTTPStatus(status).phrase}"
