"""The base64 inside PEM armour (RFC 7468), while it arrives: for servers that send that.

RFC 8951 wants base64 alone. Loaded only when a body begins with a hyphen, which base64 has not.
"""

from est_errors import ProtocolError
from micropython import const

_LF = const(10)
_HYPHEN = const(0x2D)
_BEGIN = b"-----BEGIN "


class PemStream:
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
