"""DER (X.690) in place: a strict reader over one buffer.

The reader copies nothing: it walks offsets in the caller's buffer and hands out memoryviews. Only
definite, minimal lengths and one-byte tags pass; nesting is bounded; nothing recurses over input.
With `ber=True` it also takes the indefinite lengths that some servers use in the CMS wrapper
(RFC 5652 allows BER there); values and lengths stay bounded by the buffer. pki.der_writer writes.
"""

from est_errors import DerError
from micropython import const

BOOLEAN = const(0x01)
INTEGER = const(0x02)
BIT_STRING = const(0x03)
OCTET_STRING = const(0x04)
OID = const(0x06)
SEQUENCE = const(0x30)
SET = const(0x31)

# Context-specific tags: primitive [n] is 0x80 + n, constructed [n] is this + n.
CONSTRUCTED_CONTEXT = const(0xA0)

_LONGEST = const(1700)  # octets: CPython writes no longer one in decimals
# Deeper than any certificate, request or CMS message of RFC 7030; a guard against stack abuse.
_MAX_DEPTH = const(20)
_CONSTRUCTED = const(0x20)
_INDEFINITE = const(-1)


class Reader:
    """Walks the TLVs of one DER value from left to right.

    buf: bytes, bytearray or memoryview; start, end: the span to read (offsets in bytes).
    `raw` is the memoryview of the whole TLV that this reader was entered from.
    Every method raises DerError where the bytes are not what it reads.
    """

    def __init__(self, buf, start=0, end=None, ber=False, depth=0):
        self._buf = buf if isinstance(buf, memoryview) else memoryview(buf)
        self._ber = ber
        self._depth = depth
        self.pos = start
        self.end = len(self._buf) if end is None else end
        self.raw = self._buf[start : self.end]

    def more(self):
        """Return True while elements are left."""
        return self.pos < self.end

    def peek(self):
        """Return the tag of the next element, or None at the end."""
        return self._buf[self.pos] if self.pos < self.end else None

    def finish(self):
        """Check that nothing is left over."""
        if self.pos != self.end:
            raise DerError("DER: %d bytes follow the end of a value" % (self.end - self.pos))

    def element(self, tag=None):
        """Read the next element whole and return its TLV as a memoryview."""
        start = self.pos
        self.pos = self._span(tag)[2]
        return self._buf[start : self.pos]

    def take(self, tag):
        """Read a primitive element and return its contents as a memoryview."""
        body, end, self.pos = self._span(tag)
        return self._buf[body:end]

    def enter(self, tag=SEQUENCE):
        """Read a constructed element and return a Reader over its contents."""
        if self._depth >= _MAX_DEPTH:
            raise DerError("DER: nested deeper than %d levels" % _MAX_DEPTH)
        start = self.pos
        body, end, self.pos = self._span(tag)
        inner = Reader(self._buf, body, end, self._ber, self._depth + 1)
        inner.raw = self._buf[start : self.pos]
        return inner

    def integer(self):
        """Read an INTEGER of up to 1700 octets and return it as int (two's complement)."""
        body = self.integer_bytes()
        if len(body) > _LONGEST:
            raise DerError("DER: an INTEGER of %d octets" % len(body))
        value = int.from_bytes(bytes(body), "big")
        return value - (1 << (8 * len(body))) if body[0] & 0x80 else value

    def integer_bytes(self, tag=INTEGER):
        """Read an INTEGER and return its minimal contents as a memoryview."""
        body = self.take(tag)
        if not len(body):
            raise DerError("DER: empty INTEGER")
        if len(body) > 1 and (
            (body[0] == 0 and body[1] < 128) or (body[0] == 255 and body[1] > 127)
        ):
            raise DerError("DER: INTEGER is not minimal")
        return body

    def boolean(self):
        """Read a BOOLEAN and return it as bool."""
        body = self.take(BOOLEAN)
        if len(body) != 1 or body[0] not in (0, 255):
            raise DerError("DER: bad BOOLEAN")
        return body[0] == 255

    def oid(self):
        """Read an OBJECT IDENTIFIER and return its contents as bytes (compare with pki.oid)."""
        body = bytes(self.take(OID))
        # Each arc ends in an octet below 0x80 and does not begin with 0x80 (X.690 8.19.2).
        fresh = True
        for octet in body:
            if fresh and octet == 0x80:
                raise DerError("DER: OBJECT IDENTIFIER is not minimal")
            fresh = octet < 0x80
        if not body or not fresh:
            raise DerError("DER: truncated OBJECT IDENTIFIER")
        return body

    def bit_string(self):
        """Read a BIT STRING of whole octets and return them as a memoryview."""
        body = self.take(BIT_STRING)
        if not len(body) or body[0] != 0:
            raise DerError("DER: BIT STRING is not a whole number of octets")
        return body[1:]

    def named_bits(self):
        """Read a BIT STRING of named bits; return an int in which bit n is named bit n."""
        body = self.take(BIT_STRING)
        if not len(body) or body[0] > 7 or (len(body) == 1 and body[0]) or len(body) > 5:
            raise DerError("DER: bad BIT STRING")
        if len(body) > 1 and body[-1] & ((1 << body[0]) - 1):
            raise DerError("DER: unused bits of a BIT STRING are set")
        value = 0
        for i in range((len(body) - 1) * 8):
            if body[1 + i // 8] & (0x80 >> (i % 8)):
                value |= 1 << i
        return value

    def _span(self, tag):
        """Return (start of contents, end of contents, start of the next element)."""
        buf, pos, limit = self._buf, self.pos, self.end
        if pos >= limit:
            raise DerError("DER: a value is missing")
        found = buf[pos]
        if tag is not None and found != tag:
            raise DerError("DER: tag 0x%02x where 0x%02x belongs" % (found, tag))
        body, length = self._length(pos)
        if length == _INDEFINITE:
            from pki import ber

            return ber.contents(self, body)
        if length > limit - body:
            raise DerError("DER: a value is longer than what holds it")
        return body, body + length, body + length

    def _length(self, pos):
        """Read tag and length at pos; return (start of contents, length or _INDEFINITE)."""
        buf, limit = self._buf, self.end
        tag = buf[pos]
        if tag & 0x1F == 0x1F:
            raise DerError("DER: tags of more than one octet are not used here")
        pos += 1
        if pos >= limit:
            raise DerError("DER: truncated")
        length = buf[pos]
        pos += 1
        if length < 0x80:
            return pos, length
        if length == 0x80:
            if not self._ber or not tag & _CONSTRUCTED:
                raise DerError("DER: indefinite length")
            return pos, _INDEFINITE
        count = length - 0x80
        if count > 3 or pos + count > limit:
            raise DerError("DER: bad length")
        length = 0
        for i in range(count):
            length = length << 8 | buf[pos + i]
        # X.690 10.1: the fewest octets; BER lets an encoder write more.
        if not self._ber and (length < 0x80 or length >> (8 * (count - 1)) == 0):
            raise DerError("DER: length is not minimal")
        return pos + count, length


def sequence(buf, ber=False):
    """Return a Reader inside the one SEQUENCE that is all of buf."""
    outer = Reader(buf, ber=ber)
    inner = outer.enter(SEQUENCE)
    outer.finish()
    return inner
