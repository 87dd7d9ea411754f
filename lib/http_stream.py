"""HTTP/1.1 (RFC 9112) over one connection, in one fixed buffer.

The connection is any object with `async readinto(view) -> count` (0 at the end), `async
write(data)`, `async close()` and `idle()` (false where octets or the end have come that nobody
read); nothing here opens one. A response body is delivered in chunks of the caller's buffer, by
Content-Length, chunked, or until the connection closes. Every size that the server controls has a
limit. Redirects and authentication belong to `est`.
"""

import asyncio

from est_errors import LimitError, NetworkError, ProtocolError
from micropython import const

_LF = const(10)
_SPACE = const(32)
_UNTIL_CLOSE = const(-1)
_MAX_DIGITS = const(20)  # of a Content-Length, zeros before it included
_MOST = const(9999999)

# The headers that a caller may ask for; all others are read past.
_KEPT = (
    "authentication-info",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "location",
    "retry-after",
    "transfer-encoding",
    "www-authenticate",
)


class HttpConnection:
    """Sends requests and reads responses, one at a time, over one stream.

    stream: see the module; host: str, the Host header's value; limits: see est_limits. view:
    memoryview of the receive buffer, as long as the longest header line may be.
    """

    def __init__(self, stream, host, limits, view):
        self._stream = stream
        self._host = host
        self._limits = limits
        self._view = view
        self._pos = 0
        self._end = 0
        self._response = None
        # The request that comes next, or has been sent, is not tried again: the connection was
        # made for it, or the server has begun to answer.
        self.once = False

    @property
    def reusable(self):
        """True while another request may be sent on this connection.

        What a server sent behind its answer could pass for the next one.
        """
        if self._pos != self._end or (self._response and not self._response.finished_cleanly):
            return False
        return self._stream.idle()

    def parked(self):
        """Return what resumed() makes this reusable connection of again, without this module."""
        return self._stream.parked()

    async def request(self, method, path, headers=(), body=None, most=None):
        """Send one request; return its Response once the head has arrived.

        method, path: str. headers: (name, value) pairs of str. body: bytes or None; it is sent
        with its Content-Length. most: bytes of a response body that is larger than others may be.
        Raises NetworkError, ProtocolError, LimitError.
        """
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + self._host]
        for name, value in headers:
            if "\r" in value or "\n" in value:
                raise ProtocolError("a line break in the value of the header " + name)
            lines.append(name + ": " + value)
        if body is not None:
            lines.append("Content-Length: %d" % len(body))
        lines.append("\r\n")
        # Head and body in one write: one TLS record, and one segment where they fit.
        await self._stream.write("\r\n".join(lines).encode() + (body or b""))
        self._response = response = Response(self, method, self._limits, most)
        await response._read_head()
        await asyncio.sleep(0)
        self.once = False
        return response

    async def close(self):
        """Close the connection."""
        await self._stream.close()

    async def _line(self):
        """Return the next line as bytes without its end (CRLF, or a bare LF)."""
        view = self._view
        checked = self._pos
        while True:
            for i in range(checked, self._end):
                if view[i] == _LF:
                    line = bytes(view[self._pos : i])
                    self._pos = i + 1
                    return line[:-1] if line.endswith(b"\r") else line
            checked = self._end - self._pos
            if checked == len(view):
                raise LimitError("HTTP: a line is longer than %d bytes" % checked)
            if not await self._fill():
                raise NetworkError("HTTP: the connection ended inside a head")

    async def _fill(self):
        """Move what is unread to the front, receive behind it; return the count, 0 at the end."""
        view, kept = self._view, self._end - self._pos
        if self._pos:
            for i in range(kept):
                view[i] = view[self._pos + i]
            self._pos, self._end = 0, kept
        count = await self._stream.readinto(view[kept:])
        self._end += count
        return count

    async def _readinto(self, view):
        """Copy buffered bytes, or receive straight into view; return the count, 0 at the end."""
        ready = self._end - self._pos
        if not ready:
            return await self._stream.readinto(view)
        count = min(ready, len(view))
        view[:count] = self._view[self._pos : self._pos + count]
        self._pos += count
        return count


class Response:
    """Status, headers and body of one response.

    status: int. version: (1, 0) or (1, 1). headers: dict of the kept ones, names in lower case.
    """

    def __init__(self, connection, method, limits, most):
        self._connection = connection
        self._method = method
        self._limits = limits
        self._headers_left = limits.MAX_HEADERS
        # Base64 with a line break after each character would still pass; endless padding not.
        self._body_left = most or 4 * limits.MAX_BODY
        self._chunked = False
        self._left = 0  # bytes of the body, or of the current chunk
        self._chunks = 0
        self._done = False
        self.status = 0
        self.version = (1, 1)
        self.headers = {}

    @property
    def framed(self):
        """True where the server said how long the body is, so that a cut-off one shows."""
        return self._chunked or self._left != _UNTIL_CLOSE

    @property
    def finished_cleanly(self):
        """True when the body was read to its end and the server keeps the connection open."""
        wish = self.headers.get("connection", "").lower()
        keeps = "close" not in wish if self.version == (1, 1) else "keep-alive" in wish
        return self._done and keeps and self.framed

    @property
    def content_type(self):
        """The media type in lower case without parameters, or "" where the server sent none."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    async def readinto(self, view):
        """Read the next bytes of the body into view; return the count, 0 at the end.

        Raises NetworkError where the body is shorter than announced, ProtocolError where it is
        badly framed, LimitError where it is far longer than any that the limits allow.
        """
        if self._chunked and not self._left and not self._done:
            from http_chunked import next_chunk

            await next_chunk(self)
        if self._left == 0:
            self._done = True
        if self._done:
            return 0
        if self._left != _UNTIL_CLOSE:
            view = view[: self._left]
        count = await self._connection._readinto(view)
        if not count:
            if self._left != _UNTIL_CLOSE:
                raise NetworkError("HTTP: the connection ended inside the body")
            self._done = True
            return 0
        self._body_left -= count
        if self._body_left < 0:
            raise LimitError("HTTP: the body is larger than this board takes")
        if self._left != _UNTIL_CLOSE:
            self._left -= count
            if not self._left and not self._chunked:
                self._done = True
        return count

    async def discard(self, limit):
        """Read up to limit bytes past, so that the connection can carry another request."""
        scratch = memoryview(bytearray(64))
        while limit > 0:
            count = await self.readinto(scratch)
            if not count:
                return
            limit -= count

    async def _read_head(self):
        """Read the status line and headers, past any interim (1xx) responses."""
        for _ in range(self._limits.MAX_INTERIM + 1):
            await self._status_line()
            self.headers = {}
            await self._fields(self.headers)
            if self.status == 101:
                raise ProtocolError("HTTP: the server switched protocols unasked")
            if self.status >= 200:
                return self._frame()
        raise LimitError("HTTP: too many interim responses")

    async def _status_line(self):
        connection = self._connection
        unread = connection._end - connection._pos or await connection._fill()
        if not unread and not self.status:
            # Nothing of this response has come: the server may have closed an idle connection.
            raise NetworkError("HTTP: the server closed the connection without an answer")
        connection.once = True
        line = await connection._line()
        if line[:7] != b"HTTP/1." or line[8:9] != b" " or not line[9:12].isdigit():
            raise ProtocolError("HTTP: the answer is not an HTTP/1.1 response")
        self.version = (1, 0) if line[7:8] == b"0" else (1, 1)
        self.status = int(line[9:12])
        if self.status < 100:
            raise ProtocolError("HTTP: bad status %d" % self.status)

    async def _fields(self, kept):
        """Read header or trailer lines up to the empty one; store those of _KEPT in kept."""
        name = None
        while True:
            line = await self._connection._line()
            if not line:
                return
            self._headers_left -= 1
            if self._headers_left < 0:
                raise LimitError("HTTP: more than %d header lines" % self._limits.MAX_HEADERS)
            glue, colon = " ", -1
            if not name or line[0] not in b" \t":  # else the last one goes on (RFC 9112 5.2)
                glue, colon = ", ", line.find(b":")
                if colon < 1 or b" " in line[:colon] or b"\t" in line[:colon]:
                    raise ProtocolError("HTTP: bad header line")
                name = _ascii(line[:colon]).lower()
            if name not in _KEPT:
                continue
            value = _ascii(line[colon + 1 :]).strip()
            if name not in kept:
                kept[name] = value
            elif name != "content-length" or glue == " ":
                kept[name] = (kept[name] + glue + value).strip()
                if len(kept[name]) > len(self._connection._view):
                    raise LimitError("HTTP: too much in the header lines " + name)
            elif kept[name] != value:
                raise ProtocolError("HTTP: two different Content-Length headers")

    def _frame(self):
        """Decide how the body ends (RFC 9112 6.3)."""
        coding = self.headers.get("transfer-encoding")
        length = self.headers.get("content-length")
        if self._method == "HEAD" or self.status in (204, 304):
            self._done = True
        elif coding is not None:
            if coding.lower() != "chunked" or length is not None:
                raise ProtocolError("HTTP: unknown transfer coding, or one beside Content-Length")
            self._chunked = True
        elif length is None:
            self._left = _UNTIL_CLOSE
        else:
            if not length.isdigit() or len(length) > _MAX_DIGITS:
                raise ProtocolError("HTTP: bad Content-Length")
            self._left = int(length)
            if self._left > _MOST:
                raise ProtocolError("HTTP: bad Content-Length")
            self._done = not self._left
        coding = self.headers.get("content-encoding") or "identity"
        if self.status < 202 and coding.lower() != "identity":
            raise ProtocolError("HTTP: the body is compressed")


def _ascii(octets):
    """Return octets as str; what is not printable ASCII becomes "?"."""
    if all(_SPACE <= c < 127 or c == 9 for c in octets):
        return octets.decode()
    return bytes([c if _SPACE <= c < 127 else 0x3F for c in octets]).decode()
