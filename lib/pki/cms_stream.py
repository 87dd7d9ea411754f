"""The certificates of a certs-only CMS message while it arrives: each is copied, nothing else.

What is taken is what pki.cms takes, so that a large answer costs the heap its certificates alone,
in pieces.
"""

from est_errors import DerError, LimitError
from micropython import const

_SIGNED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_INTEGER = const(0x02)
_SEQUENCE = const(0x30)
_SET = const(0x31)
_CONTEXT = const(0xA0)  # [0], constructed
_INDEFINITE = const(-1)
_MAX_OPEN = const(20)  # elements


async def certificates(reader, most, limit):
    """Return the certificates of a certs-only message: a list of DER (bytes), in its order.

    reader: object with `async read()`, the next octets or b"" at the end; most: bytes of the whole
    message; limit: how many certificates there may be. Raises DerError, LimitError, and what the
    reader raises.
    """
    stream = _Stream(reader, most)
    found = []
    _, head, _ = await stream.head(0, _SEQUENCE)
    inner, more, _ = await stream.head(head)
    if inner == _SEQUENCE and (await stream.head(head + more))[0] == _CONTEXT:
        while await stream.has(1):  # a tbsCertificate with its version
            await _take(stream, found, limit)
        return found
    ends = []
    ends.append(await stream.enter(_SEQUENCE))
    if await stream.element(0x06) != _SIGNED_DATA:
        raise DerError("CMS: this is not SignedData")
    ends.append(await stream.enter(_CONTEXT))
    ends.append(await stream.enter(_SEQUENCE))
    await stream.skip(_INTEGER)  # version
    await stream.skip(_SET)  # digestAlgorithms
    await stream.skip(_SEQUENCE)  # encapContentInfo: absent or empty content
    if (await stream.head(0))[0] == _CONTEXT:
        end = await stream.enter(_CONTEXT)
        while await stream.more(end):
            await _take(stream, found, limit)
    if (await stream.head(0))[0] == _CONTEXT + 1:  # CRLs
        await stream.skip(_CONTEXT + 1)
    await stream.skip(_SET)  # signerInfos
    while ends:
        if await stream.more(ends.pop()):
            raise DerError("CMS: something follows where nothing may")
    if await stream.has(1):
        raise DerError("CMS: octets follow the end of the message")
    return found


async def _take(stream, found, limit):
    if len(found) == limit:
        raise LimitError("CMS: more than %d certificates" % limit)
    found.append(await stream.element(_SEQUENCE))


class _Stream:
    """Reads elements of BER from left to right."""

    def __init__(self, reader, most):
        self._reader = reader
        self._most = most
        self._octets = b""
        self._pos = 0  # of what is unread in them
        self._gone = 0  # octets before them

    async def has(self, count):
        """Return whether so many octets are left; receive them."""
        while len(self._octets) - self._pos < count:
            octets = await self._reader.read()
            if not octets:
                return False
            self._gone += self._pos
            self._octets = self._octets[self._pos :] + octets
            self._pos = 0
            if self._gone + len(self._octets) > self._most:
                raise LimitError("the response is larger than %d bytes" % self._most)
        return True

    async def head(self, ahead, tag=None):
        """Return (tag, octets of tag and length, length) of the element that begins there."""
        if not await self.has(ahead + 2):
            raise DerError("DER: it ends too early")
        at = self._pos + ahead
        found, length = self._octets[at], self._octets[at + 1]
        if found & 0x1F == 0x1F or (tag and found != tag):
            raise DerError("DER: tag 0x%02x where another belongs" % found)
        if length < 0x80:
            return found, 2, length
        if length == 0x80:
            if not found & 0x20:
                raise DerError("DER: indefinite length")
            return found, 2, _INDEFINITE
        count = length - 0x80
        if count > 3 or not await self.has(ahead + 2 + count):
            raise DerError("DER: bad length")
        at = self._pos + ahead + 2
        return found, 2 + count, int.from_bytes(self._octets[at : at + count], "big")

    async def enter(self, tag):
        """Read the head of an element; return where it ends, or None where it does not say."""
        _, head, length = await self.head(0, tag)
        self._pos += head
        return None if length == _INDEFINITE else self._gone + self._pos + length

    async def more(self, end):
        """Return whether elements are left in what enter() returned this for; else leave it."""
        if end is not None:
            left = end - self._gone - self._pos
            if left < 0:
                raise DerError("DER: a value is longer than what holds it")
            return left > 0
        tag, head, length = await self.head(0)
        if tag:
            return True
        if length or head > 2:
            raise DerError("DER: bad end of contents")
        self._pos += 2
        return False

    async def element(self, tag):
        """Read an element of definite length and return it (bytes)."""
        _, head, length = await self.head(0, tag)
        if length == _INDEFINITE:
            raise DerError("DER: indefinite length")
        size = head + length
        if self._gone + self._pos + size > self._most:
            raise LimitError("the response is larger than %d bytes" % self._most)
        out = bytearray(size)
        done = 0
        while done < size:
            done += await self._next(size - done, out, done)
        return bytes(out)

    async def skip(self, tag):
        """Read an element past."""
        open_elements = 0
        while True:
            found, head, length = await self.head(0, tag)
            tag = None
            self._pos += head
            if length == _INDEFINITE:
                open_elements += 1
                if open_elements > _MAX_OPEN:
                    raise DerError("DER: nested deeper than %d levels" % _MAX_OPEN)
            elif not found and open_elements:
                if length or head > 2:
                    raise DerError("DER: bad end of contents")
                open_elements -= 1
            while length > 0:
                length -= await self._next(length)
            if not open_elements:
                return

    async def _next(self, most, out=None, at=0):
        """Read up to so many octets past, or into out; return how many."""
        if not await self.has(1):
            raise DerError("DER: it ends too early")
        count = min(most, len(self._octets) - self._pos)
        if out:
            out[at : at + count] = memoryview(self._octets)[self._pos : self._pos + count]
        self._pos += count
        return count
