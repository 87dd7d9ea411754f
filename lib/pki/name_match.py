"""Comparing distinguished names as RFC 5280 7.1 wants it: letter case, white space and the kind of
string do not count. Loaded only where two names differ in their bytes."""

from pki import der

# The string types whose values are compared as text; all others byte by byte.
_TEXT = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String


def same(a, b):
    """Return whether two DER Names (bytes-like) are the same name. Raises DerError."""
    return a == b or rdns(a) == rdns(b)


def rdns(name):
    """Return a list with one comparable value for each RDN of a DER Name (bytes-like)."""
    found = []
    reader = der.sequence(name)
    while reader.more():
        rdn = reader.enter(der.SET)
        parts = []
        while rdn.more():
            attribute = rdn.enter()
            kind = attribute.oid()
            tag = attribute.peek()
            value = bytes(attribute.element())
            if tag in _TEXT:
                text = bytes(der.Reader(value).take(tag))
                value = b" ".join(_folded(text).split())
                tag = 0
            parts.append((kind, tag, value))
        found.append(sorted(parts))
    return found


def _folded(octets):
    """Return UTF-8 text in lower case; what is not UTF-8 stays as it is."""
    try:
        return octets.decode().lower().encode()
    except (UnicodeError, ValueError):
        return octets
