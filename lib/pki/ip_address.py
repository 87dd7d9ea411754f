"""IP addresses as the octets of an iPAddress name (RFC 5280 4.2.1.6), to and from text."""

from est_errors import DerError


def octets(text):
    """Return the 4 or 16 octets (bytes) of an IP address, or None where text is not one."""
    if ":" in text:
        return _v6_octets(text)
    parts = text.split(".")
    if len(parts) != 4:
        return None
    for part in parts:
        # As bytes: of text CPython takes the digits of all scripts.
        if not part.encode().isdigit() or len(part) > 3 or int(part) > 255:
            return None
    return bytes([int(part) for part in parts])


def text(octets):
    """Return the text of the 4 or 16 octets of an IP address (IPv6 without zero compression)."""
    if len(octets) == 4:
        return ".".join([str(octet) for octet in octets])
    if len(octets) == 16:
        pairs = [octets[i] << 8 | octets[i + 1] for i in range(0, 16, 2)]
        return ":".join(["%x" % pair for pair in pairs])
    raise DerError("DER: an IP address of %d octets" % len(octets))


def _v6_octets(text):
    halves = text.split("::")
    if len(halves) > 2:
        return None
    groups = [half.split(":") if half else [] for half in halves]
    missing = 8 - sum([len(group) for group in groups])
    if missing < 0 or (len(halves) == 1) != (missing == 0):
        return None
    words = groups[0] + ["0"] * missing + (groups[1] if len(halves) == 2 else [])
    out = bytearray()
    for word in words:
        try:
            value = int(word, 16)
        except ValueError:
            return None
        if len(word) > 4 or value < 0:
            return None
        out.append(value >> 8)
        out.append(value & 0xFF)
    return bytes(out)
