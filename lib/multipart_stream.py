"""MIME multipart bodies (RFC 2046 5.1) while they arrive, in a fixed buffer.

Preamble and epilogue are passed over; lines may end in CRLF or LF; header names are taken in any
case, and of the headers only Content-Type counts (RFC 8951 3: Content-Transfer-Encoding does not).
The line break before a boundary is given out with the part, which base64 does not mind.
"""

from est_errors import LimitError, ProtocolError
from micropython import const

_LF = const(10)
_MAX_BOUNDARY = const(70)  # RFC 2046 5.1.1
_MAX_HEADERS = const(16)  # lines of one part's head
_CUT = "multipart: the body ends before its last boundary"
_MARKS = b"'()+_,-./:=? "  # of a boundary, beside letters and digits


def boundary_of(content_type):
    """Return the boundary (bytes) that a Content-Type header (str) of a multipart body names.

    None where there is no header at all, as some servers leave it out. Raises ProtocolError where
    it is another type, or names no boundary that could be one.
    """
    if not content_type:
        return None
    parts = content_type.split(";")
    if not parts[0].strip().lower().startswith("multipart/"):
        raise ProtocolError(
            "the server answered with %s, not with multipart/mixed" % parts[0].strip()[:40]
        )
    for part in parts[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() != "boundary":
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        value = value.encode()
        if 0 < len(value) <= _MAX_BOUNDARY and value[-1:] != b" " and _is_boundary(value):
            return value
        break
    raise ProtocolError("multipart: no boundary, or one that can be none")


class MultipartReader:
    """Reads the parts of a multipart body one after the other.

    source: object with `async readinto(view) -> count`, 0 at the end. boundary: bytes, or None for
    the first line that can be one. view: memoryview of the buffer; a boundary and a header have to
    fit in, 128 bytes are enough. Its methods raise ProtocolError, LimitError, and what the source
    raises. For who reads a part: `content_type` is its media type (str, lower case, "" where it
    has none), and it is `framed`: a cut-off one shows.
    """

    framed = True

    def __init__(self, source, boundary, view):
        self.content_type = ""
        self._source = source
        self._delimiter = boundary and b"--" + boundary
        self._view = view
        self._pos = self._stop = self._end = 0
        self._fresh = True  # what is unread begins a line
        self._between = False  # at a boundary that another part follows, or behind the last
        self._last = False

    async def next_part(self):
        """Go to the next part, past what is left of this one, or of the preamble.

        Return False at the end, to which the epilogue has then been read.
        """
        while await self._piece():
            self._advance(self._stop)
        if self._last:
            while await self._source.readinto(self._view):
                pass
            return False
        self._between = False
        kind = (await self._type()).split(b";")[0].strip()
        printable = all(0x20 < c < 0x7F for c in kind)
        self.content_type = kind.decode() if printable else "?"
        return True

    async def readinto(self, view):
        """Read the next bytes of the part into view; return the count, 0 at its end."""
        if not await self._piece():
            return 0
        count = min(self._stop - self._pos, len(view))
        view[:count] = self._view[self._pos : self._pos + count]
        self._advance(self._pos + count)
        return count

    def _advance(self, pos):
        self._pos = pos
        self._fresh = self._view[pos - 1] == _LF

    async def _piece(self):
        """Find what comes next of the part: a line, or as much of a long one as there is room.

        Return whether there is something; a boundary is read past and ends the part.
        """
        if self._between:
            return False
        await self._line()
        if self._fresh:
            line = bytes(self._view[self._pos : self._stop]).rstrip()
            if (
                self._delimiter is None
                and line[:2] == b"--"
                and 2 < len(line) <= 2 + _MAX_BOUNDARY
            ):
                self._delimiter = line
            size = len(self._delimiter or ())
            if size and line[:size] == self._delimiter and line[size:] in (b"", b"--"):
                self._between = True
                self._last = len(line) > size
                self._pos = self._stop
                return False
        return True

    async def _type(self):
        """Read a part's head; return its Content-Type, folded lines joined (RFC 5322 2.2.3)."""
        found = []
        ours = False
        for _ in range(_MAX_HEADERS):
            await self._line()
            line = bytes(self._view[self._pos : self._stop])
            if line[-1] != _LF:
                if len(line) < len(self._view):
                    raise ProtocolError(_CUT)
                break
            self._pos = self._stop
            if not line.strip():
                self._fresh = True
                return b"".join(found).lower()
            if line[0] not in b" \t":
                ours = line[:13].lower() == b"content-type:" and not found
                line = line[13:]
            if ours:
                found.append(line.strip())
        raise LimitError(
            "multipart: a part's head has more than %d bytes in a line, or than %d lines"
            % (len(self._view), _MAX_HEADERS)
        )

    async def _line(self):
        """Find the end of the next line: behind its LF, or where the buffer or the source ends."""
        view, at = self._view, self._pos
        while True:
            for i in range(at, self._end):
                if view[i] == _LF:
                    self._stop = i + 1
                    return
            at = kept = self._end - self._pos
            if self._pos:
                for i in range(kept):
                    view[i] = view[self._pos + i]
                self._pos, self._end = 0, kept
            count = await self._source.readinto(view[kept:]) if kept < len(view) else 0
            if not count:
                break
            self._end += count
        if not self._end:
            raise ProtocolError(_CUT)
        self._stop = self._end


def _is_boundary(value):
    """Return whether all octets may stand in a boundary."""
    return all(0x30 <= c <= 0x39 or 0x41 <= c & 0xDF <= 0x5A or c in _MARKS for c in value)
