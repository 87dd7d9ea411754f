"""DER (X.690) while it arrives, in a fixed buffer, with a hash over a part of it.

For what is larger than the heap: CRLs. Definite, minimal lengths of up to four octets. What was
read is forgotten; a caller copies what it wants to keep.
"""

import asyncio

from est_errors import DerError, LimitError
from micropython import const

from pki import signature

_LENGTH_OCTETS = const(4)


class DerStream:
    """Reads the elements of one DER value from left to right.

    source: object with `async readinto(view) -> count`, 0 at the end. view: memoryview of the
    buffer. most: bytes of the whole value at most. `at` is how many bytes have been read. `view`,
    `pos` and `end` are open to a reader that walks many small elements: what is unread lies in
    view[pos:end], and consume() moves on. Every method raises DerError, LimitError, and what the
    source raises.
    """

    def __init__(self, source, view, most):
        self.view = view
        self.pos = 0
        self.end = 0
        self._source = source
        self._most = most
        self._gone = 0  # bytes before view[0]
        self._mark = None  # from here on the buffer is not hashed yet
        self._hasher = None
        self._number = 0

    @property
    def at(self):
        """How many bytes have been read."""
        return self._gone + self.pos

    def hash_from_here(self):
        """Let the hash begin at the next element; nothing is forgotten until start_hash()."""
        self._mark = self.pos

    def start_hash(self, number):
        """Choose the hash: see signature.digest for its number."""
        self._number = number
        self._hasher = signature.new_hash(number)

    async def finish_hash(self):
        """Return the digest (bytes) of what was read since hash_from_here()."""
        await self._hash()
        self._mark = None
        return self._hasher.digest()

    async def peek(self):
        """Return the tag of the next element."""
        await self.need(1)
        return self.view[self.pos]

    async def enter(self, tag):
        """Read the head of an element; return the length of its contents."""
        head, length = await self._head(tag)
        self.pos += head
        return length

    async def take(self, tag):
        """Read a small element; return its TLV as a memoryview, good until the next read."""
        head, length = await self._head(tag)
        await self.need(head + length)
        self.pos += head + length
        return self.view[self.pos - head - length : self.pos]

    async def copy(self, tag, most):
        """Read an element of at most so many bytes and return its TLV as bytes."""
        head, length = await self._head(tag)
        size = head + length
        if size > most:
            raise LimitError("DER: an element of %d bytes where at most %d go" % (size, most))
        out = bytearray(size)
        done = 0
        while done < size:
            if self.pos == self.end:
                await self._fill()
            count = min(self.end - self.pos, size - done)
            out[done : done + count] = self.view[self.pos : self.pos + count]
            self.pos += count
            done += count
        return bytes(out)

    async def need(self, count):
        """Receive until so many bytes are unread in the buffer."""
        while self.end - self.pos < count:
            await self._fill()

    async def finish(self):
        """Check that nothing follows."""
        if self.pos < self.end or await self._source.readinto(self.view[:1]):
            raise DerError("DER: more bytes follow the end of a value")

    async def _head(self, tag):
        """Return (bytes of the next element's head, bytes of its contents); nothing is read."""
        await self.need(2)
        if self.view[self.pos] != tag:
            raise DerError("DER: tag 0x%02x where 0x%02x belongs" % (self.view[self.pos], tag))
        length = self.view[self.pos + 1]
        if length < 0x80:
            return 2, length
        count = length - 0x80
        if not 0 < count <= _LENGTH_OCTETS:
            raise DerError("DER: bad length")
        await self.need(2 + count)
        length = 0
        for i in range(count):
            length = length << 8 | self.view[self.pos + 2 + i]
        if length < 0x80 or length >> (8 * (count - 1)) == 0:
            raise DerError("DER: length is not minimal")
        if length > self._most:
            raise LimitError("%d bytes are more than this board takes (%d)" % (length, self._most))
        return 2 + count, length

    async def _fill(self):
        """Forget what was read, and receive behind what was not."""
        await self._hash()
        first = self.pos if self._mark is None else self._mark
        if first:
            kept = self.end - first
            self.view[:kept] = bytes(self.view[first : self.end])  # two spans that may overlap
            self._gone += first
            self.pos -= first
            self.end = kept
            if self._mark is not None:
                self._mark = 0
        if self.end == len(self.view):
            raise LimitError("an element is longer than the buffer of %d bytes" % self.end)
        count = await self._source.readinto(self.view[self.end :])
        if not count:
            raise DerError("DER: it ends after %d bytes, too early" % (self._gone + self.end))
        self.end += count
        if self._gone + self.end > self._most:
            raise LimitError("more bytes than this board takes (%d)" % self._most)
        await asyncio.sleep(0)

    async def _hash(self):
        """Work what was read since the mark into the hash."""
        if self._hasher and self._mark is not None and self._mark < self.pos:
            await signature.update(self._hasher, self._number, self.view[self._mark : self.pos])
            self._mark = self.pos
