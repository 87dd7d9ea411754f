"""Object identifiers: dotted text to DER contents and back (X.690 8.19)."""

from est_errors import ConfigError, DerError


def encode(dotted):
    """Return the DER contents (bytes) of a dotted OID such as "1.2.840.10045.2.1"."""
    try:
        arcs = [int(arc) for arc in dotted.split(".")]
    except ValueError:
        arcs = ()
    if len(arcs) < 2 or arcs[0] > 2 or min(arcs) < 0 or (arcs[0] < 2 and arcs[1] > 39):
        raise ConfigError("%r is not an object identifier such as 1.3.6.1" % dotted)
    arcs[0:2] = [arcs[0] * 40 + arcs[1]]
    out = bytearray()
    for arc in arcs:
        octets = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            octets.append(arc & 0x7F | 0x80)
        octets.reverse()
        out.extend(bytes(octets))
    return bytes(out)


def dotted(contents):
    """Return the dotted text of DER OID contents (bytes)."""
    if len(contents) > 64:
        raise DerError("DER: an OBJECT IDENTIFIER of %d octets" % len(contents))
    arcs = []
    value = 0
    for octet in contents:
        value = value << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(value)
            value = 0
    if not arcs:
        raise DerError("DER: truncated OBJECT IDENTIFIER")
    top = min(arcs[0] // 40, 2)
    arcs[0:1] = [top, arcs[0] - 40 * top]
    return ".".join([str(arc) for arc in arcs])
