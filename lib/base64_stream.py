"""Base64 (RFC 4648 section 4) decoded while it arrives, chunk by chunk, in place.

RFC 8951 3.1: line breaks, spaces and tabs may stand anywhere; everything else outside the
alphabet is an error, and so is a cut-off or non-canonical end. Trailing NUL octets, which libest
sends, are passed over. The text is never held whole.
"""

import asyncio
from binascii import a2b_base64, b2a_base64

from est_errors import ProtocolError
from micropython import const

_LINE = const(48)  # octets that make a line of 64 characters
_SPACE = b"\r\n \t"


class Base64Reader:
    """Decodes the base64 text that `source` gives.

    source: anything with `async readinto(view) -> count`, 0 at the end.
    view: memoryview of a bytearray, the buffer for text; at least 8 bytes. count: how many bytes
    of text are already there.
    """

    def __init__(self, source, view, count=0):
        self._source = source
        self._view = view
        self._count = count
        self._kept = 0  # characters of an unfinished group of four, at the buffer's start
        self._padded = False
        self._nul = False

    async def read(self):
        """Return the next decoded octets (bytes), or b"" at the end.

        Raises ProtocolError where the text is not base64.
        """
        while True:
            view = self._view
            count = self._count or await self._source.readinto(view[self._kept :])
            self._count = 0
            if not count:
                if self._kept:
                    raise ProtocolError("base64: the text ends inside a group of four")
                return b""
            end = self._squeeze(self._kept + count)
            whole = end & ~3
            octets = self._decode(view[:whole]) if whole else b""
            self._kept = end - whole
            for i in range(self._kept):
                view[i] = view[whole + i]
            await asyncio.sleep(0)
            if octets:
                return octets

    def _squeeze(self, end):
        """Remove white space behind the kept characters and check the rest; return the new end."""
        view = self._view
        out = self._kept
        for i in range(out, end):
            c = view[i]
            # Most characters are letters, of which no more is to be known; no call for each.
            if not (0x61 <= c <= 0x7A or 0x41 <= c <= 0x5A or 0x2F <= c <= 0x39 or c == 0x2B):
                if c in _SPACE:
                    continue
                if c == 0:
                    self._nul = True
                    continue
                if c != 0x3D or self._nul:
                    raise _unexpected(c)
                if out & 3 < 2:
                    raise ProtocolError("base64: padding in the wrong place")
                self._padded = True
            elif self._nul or self._padded:
                raise _unexpected(c)
            view[out] = c
            out += 1
        return out

    def _decode(self, text):
        """Decode whole groups of four; padding may stand in the last one only."""
        octets = a2b_base64(text)
        last = len(text) - 4
        pad = (text[last + 2] == 0x3D) + (text[last + 3] == 0x3D)
        if pad and b2a_base64(octets[len(text) // 4 * 3 - 3 :])[:4] != bytes(text[last:]):
            raise ProtocolError("base64: the unused bits of the last character are not zero")
        if len(octets) != len(text) // 4 * 3 - pad:
            raise ProtocolError("base64: padding in the wrong place")
        return octets


def encode_lines(octets):
    """Return octets as base64 in lines of 64 characters, each ending in LF.

    That is the form that every EST server seen accepts; libest refuses a body without a final
    line break.
    """
    lines = [b2a_base64(octets[i : i + _LINE]) for i in range(0, len(octets), _LINE)]
    return b"".join(lines)


def _unexpected(c):
    return ProtocolError("base64: unexpected character 0x%02x" % c)
