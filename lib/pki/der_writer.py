"""Writes DER (X.690) bottom-up: `tlv(SEQUENCE, a, b)` is the DER of a SEQUENCE of a and b."""

from est_errors import DerError

from pki import der


def tlv(tag, *parts):
    """Return the DER (bytes) of an element with this tag whose contents are the joined parts."""
    begin = head(tag, parts)
    pos = len(begin)
    out = bytearray(pos + sum([len(part) for part in parts]))
    out[:pos] = begin
    for part in parts:
        out[pos : pos + len(part)] = part
        pos += len(part)
    return bytes(out)


def head(tag, parts):
    """Return the tag and length octets (bytes) of an element whose contents are these parts."""
    size = 0
    for part in parts:
        size += len(part)
    if size < 0x80:
        return bytes((tag, size))
    if size < 0x100:
        return bytes((tag, 0x81, size))
    if size < 0x10000:
        return bytes((tag, 0x82, size >> 8, size & 0xFF))
    return bytes((tag, 0x83, size >> 16, size >> 8 & 0xFF, size & 0xFF))


def integer(value):
    """Return the DER of an INTEGER: a non-negative int, or its big-endian octets (bytes)."""
    if isinstance(value, int):
        if value < 0:
            raise DerError("DER: a negative INTEGER is not written")
        size = 1
        while value >> (8 * size):
            size += 1
        value = value.to_bytes(size, "big")
    start = 0
    while start < len(value) - 1 and not value[start]:
        start += 1
    return tlv(der.INTEGER, b"\0" if value[start] & 0x80 else b"", value[start:])


def oid(contents):
    """Return the DER of an OBJECT IDENTIFIER whose contents octets are given."""
    return tlv(der.OID, contents)


def bit_string(octets):
    """Return the DER of a BIT STRING of whole octets."""
    return tlv(der.BIT_STRING, b"\0", octets)


def named_bits(value):
    """Return the DER of a BIT STRING of named bits: bit n of the int is named bit n."""
    out = bytearray(1)
    bit = 0
    while value >> bit:
        if not bit % 8:
            out.append(0)
        if value >> bit & 1:
            out[-1] |= 0x80 >> (bit % 8)
        bit += 1
    out[0] = -bit % 8
    return tlv(der.BIT_STRING, out)


def set_of(elements):
    """Return the DER of a SET OF: the elements (bytes each) in ascending order (X.690 11.6)."""
    return tlv(der.SET, *sorted(elements))
