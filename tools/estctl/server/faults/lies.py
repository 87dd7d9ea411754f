"""Servers that lie in HTTP (RFC 9110, 9112) or about the body (RFC 7030 4.2.3, RFC 8951 3)."""

import base64
import gzip
from collections.abc import Callable
from itertools import count

from estctl.server.faults.line import Answer, Fault, Line

_FRAMING = (b"content-length", b"transfer-encoding", b"connection")
_PKCS7 = b"Content-Type: application/pkcs7-mime"
_WRONG = 16  # octets by which a length is wrong
_HTML = b"<!DOCTYPE html><html><body><form>Please log in</form></body></html>"
_BANNER = b"SSH-2.0-OpenSSH_9.6\r\n"
_PIECE = b"MIIB" * 256  # how base64 of DER may begin


def _headers(answer: Answer, *more: bytes) -> bytes:
    """Return the answer's head with other headers for the framing, and others added."""
    kept = [line for line in answer.head if line.split(b":")[0].lower() not in _FRAMING]
    return b"\r\n".join([*kept, *more, b"", b""])


def _length(size: int) -> bytes:
    return b"Content-Length: %d" % size


def _response(status: bytes, body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, _length(len(body)), *headers, b"", body])


def _says(name: str, about: str, make: Callable[[Answer], bytes]) -> Fault:
    """Return a fault that sends other octets in place of the answer, and waits for the client."""

    async def spoil(line: Line, answer: Answer) -> None:
        await line.send(make(answer))
        await line.silence()

    return Fault(name, about, spoil)


def _answers(name: str, about: str, make: Callable[[Answer], bytes]) -> Fault:
    """Return a fault that sends another whole answer; the client may ask again at once."""

    async def spoil(line: Line, answer: Answer) -> None:
        await line.send(make(answer))

    return Fault(name, about, spoil, keeps=True)


def _never_ends(name: str, about: str, begin: Callable[[Answer], bytes], piece: bytes) -> Fault:
    """Return a fault that begins an answer which never ends."""

    async def spoil(line: Line, answer: Answer) -> None:
        await line.send(begin(answer))
        while True:
            await line.send(piece)

    return Fault(name, about, spoil)


_numbers = count(1)


def _redirect(answer: Answer) -> bytes:
    location = f"Location: {answer.path}?{next(_numbers)}".encode()
    return _response(b"302 Found", b"", location)


def _zipped(answer: Answer) -> bytes:
    body = gzip.compress(answer.body)
    return _headers(answer, b"Content-Encoding: gzip", _length(len(body))) + body


def _with_body(body: bytes) -> Callable[[Answer], bytes]:
    return lambda answer: _headers(answer, _length(len(body))) + body


FAULTS = (
    _says(
        "length-too-long",
        "Content-Length promises more than comes, and the connection stays open",
        lambda a: _headers(a, _length(len(a.body) + _WRONG)) + a.body,
    ),
    _says(
        "length-too-short",
        "Content-Length is less than what comes",
        lambda a: _headers(a, _length(max(0, len(a.body) - _WRONG))) + a.body,
    ),
    _says(
        "length-huge",
        "Content-Length has more digits than a 64-bit number",
        lambda a: _headers(a, b"Content-Length: " + b"9" * 30) + a.body,
    ),
    _says(
        "length-negative",
        "Content-Length: -1",
        lambda a: _headers(a, _length(-1)) + a.body,
    ),
    _says(
        "two-lengths",
        "two Content-Length headers that differ (request smuggling)",
        lambda a: _headers(a, _length(len(a.body)), _length(0)) + a.body,
    ),
    _never_ends(
        "endless-headers", "headers without end", lambda a: a.head[0] + b"\r\n", b"X-More: 1\r\n"
    ),
    _never_ends(
        "endless-line", "one header that never ends", lambda a: a.head[0] + b"\r\nX: ", _PIECE
    ),
    _never_ends(
        "endless-body",
        "a body without length and end, all of it base64",
        lambda a: _headers(a, b"Connection: close"),
        _PIECE,
    ),
    _never_ends(
        "endless-padding",
        "the right body without length, then line ends without end",
        lambda a: _headers(a, b"Connection: close") + a.body,
        b"\r\n" * 512,
    ),
    _never_ends(
        "endless-chunks",
        "chunks without end, of one octet each",
        lambda a: _headers(a, b"Transfer-Encoding: chunked"),
        b"1\r\nM\r\n",
    ),
    _never_ends(
        "endless-interim",
        "interim answers (102) without end",
        lambda a: b"",
        b"HTTP/1.1 102 Processing\r\n\r\n",
    ),
    _never_ends(
        "endless-reason",
        "500, with a reason that never ends",
        lambda a: b"HTTP/1.1 500 No\r\nContent-Type: text/plain\r\n\r\n",
        b"because " * 128,
    ),
    _answers("endless-redirects", "each answer leads to another URL of this server", _redirect),
    _answers(
        "endless-202",
        "202 for ever, asked again or not",
        lambda a: _response(b"202 Accepted", b"", b"Retry-After: 1"),
    ),
    _answers(
        "endless-503",
        "busy for ever, and Retry-After says three million years",
        lambda a: _response(b"503 Busy", b"", b"Retry-After: 99999999999999"),
    ),
    _answers(
        "endless-401",
        "Digest, and each nonce is stale already",
        lambda a: _response(
            b"401 Unauthorized",
            b"",
            b'WWW-Authenticate: Digest realm="r", qop="auth", algorithm=SHA-256, stale=true,'
            b' nonce="%d"' % next(_numbers),
        ),
    ),
    _says("switch", "101: another protocol, unasked", lambda a: b"HTTP/1.1 101 Now\r\n\r\n"),
    _says("banner", "what answers is no HTTP server", lambda a: _BANNER),
    _says(
        "html",
        "200 with a login page",
        lambda a: _response(b"200 OK", _HTML, b"Content-Type: text/html; charset=utf-8"),
    ),
    _says(
        "html-as-pkcs7",
        "the same, called application/pkcs7-mime",
        lambda a: _response(b"200 OK", _HTML, _PKCS7),
    ),
    _answers("empty", "200 with an empty body", _with_body(b"")),
    _says("no-base64", "200 with a body that is not base64", _with_body(b"\xff\x00%&!" * 40)),
    _says(
        "other-base64",
        "200 with base64 of something else than DER",
        _with_body(base64.encodebytes(b"What is this? " * 40)),
    ),
    _says(
        "half-base64",
        "200 with the first half of the right body, and a length that fits",
        lambda a: _with_body(a.body[: len(a.body) // 2])(a),
    ),
    _says("compressed", "Content-Encoding: gzip, which nobody asked for", _zipped),
)
