"""Bodies that are not base64 alone, while they arrive: bare DER, and base64 in PEM (RFC 7468).

RFC 8951 3 wants base64 alone, but some servers send these. Loaded only when one does.
"""

from base64_stream import Base64Reader
from est_errors import ProtocolError
from micropython import const

_LF = const(10)
_HYPHEN = const(0x2D)
_BEGIN = b"-----BEGIN "


class DerReader:
    """Reads what needs no decoding; arguments and read() as Base64Reader's."""

    def __init__(self, source, view, count):
        self._source = source
        self._view = view
        self._count = count

    async def read(self):
        """Return the next octets (bytes), or b"" at the end."""
        count = self._count or await self._source.readinto(self._view)
        self._count = 0
        return bytes(self._view[:count])


class PemReader:
    """Decodes the blocks of PEM text one by one; arguments and read() as Base64Reader's."""

    def __init__(self, source, view, count):
        self._blocks = _Blocks(source, bytes(view[:count]))
        self._view = view
        self._block = Base64Reader(self._blocks, view)

    async def read(self):
        """Return the next decoded octets (bytes), or b"" at the end. Raises ProtocolError."""
        while True:
            octets = await self._block.read()
            if octets or self._blocks.over:
                return octets
            self._block = Base64Reader(self._blocks, self._view)


class _Blocks:
    """Gives the text of each block: readinto() is 0 at a block's end; then `over` or the next.

    source: anything with `async readinto(view) -> count`; begun: bytes already received from it.
    Lines outside of the blocks are passed over, as RFC 7468 2 allows.
    """

    def __init__(self, source, begun):
        self._source = source
        self._rest = begun  # received, and not looked at yet
        self._inside = False
        self._matched = 0  # characters of _BEGIN at this line's start; -1: it is another line
        self._ended = False
        self.over = False

    async def readinto(self, view):
        """Receive text of the block; return the count, 0 at its end. Raises ProtocolError."""
        if self._ended:
            self._ended = False
            return 0
        while True:
            size = await self._receive(view)
            if not size:
                self.over = True
                if self._inside:
                    raise ProtocolError("PEM: the end line is missing")
                return 0
            out = self._text(view, size)
            if out or self._ended:
                self._ended = self._ended and out > 0  # where there is no text, this 0 says so
                return out

    async def _receive(self, view):
        """Receive, first what was left over."""
        if not self._rest:
            return await self._source.readinto(view)
        size = min(len(self._rest), len(view))
        view[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _text(self, view, size):
        """Move a block's text to the view's front, up to its end line; return the count."""
        out = 0
        for i in range(size):
            c = view[i]
            if self._inside and c == _HYPHEN:
                self._inside, self._matched, self._ended = False, -1, True
                self._rest = bytes(view[i:size]) + self._rest
                return out
            if self._inside:
                view[out] = c
                out += 1
            elif c == _LF:
                self._inside = self._matched == len(_BEGIN)
                self._matched = 0
            elif 0 <= self._matched < len(_BEGIN):
                self._matched = self._matched + 1 if c == _BEGIN[self._matched] else -1
        return out
