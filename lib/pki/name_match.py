"""Comparing distinguished names as RFC 5280 7.1 wants it: letter case, white space and the kind of
string do not count. Loaded only where two names differ in their bytes."""

from pki import der

# The string types whose values are compared as text; all others byte by byte.
_TEXT = (0x0C, 0x13, 0x16)  # UTF8String, PrintableString, IA5String
# Octets of a character of TeletexString, BMPString, UniversalString.
_WIDTHS = {0x14: 1, 0x1E: 2, 0x1C: 4}


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
            if tag in _TEXT or tag in _WIDTHS:
                text = bytes(der.Reader(value).take(tag))
                if tag in _WIDTHS:
                    text = narrowed(text, tag)
                value = b" ".join(_folded(text).split())
                tag = 0
            parts.append((kind, tag, value))
        found.append(sorted(parts))
    return found


def narrowed(octets, tag):
    """Return the text of a string type whose characters all have as many octets as UTF-8 (bytes);
    what is none stays apart from all that is."""
    width = _WIDTHS[tag]
    codes = [octets[i : i + width] for i in range(0, len(octets), width)]
    try:
        return "".join([chr(int.from_bytes(code, "big")) for code in codes]).encode()
    except (ValueError, OverflowError):  # half of a surrogate pair, or beyond Unicode
        return b"\xff" + octets


def _folded(octets):
    """Return UTF-8 text in lower case; what is not UTF-8 stays as it is."""
    try:
        return octets.decode().lower().encode()
    except (UnicodeError, ValueError):
        return octets
