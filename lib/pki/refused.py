"""Names of algorithms and keys that are refused, for messages; sizes of the rarer curves.

Loaded only where a certificate has something else than P-256 and RSA with SHA-2.
"""

from est_errors import TrustError

from pki import oid_text

# OID contents, name, bits of the hash.
_ALGORITHMS = (
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x02", b"MD2 with RSA", 128),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", b"MD5 with RSA", 128),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", b"SHA-1 with RSA", 160),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", b"SHA-224 with RSA", 224),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", b"SHA-1 with ECDSA", 160),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x01", b"SHA-224 with ECDSA", 224),
    (b"\x2a\x86\x48\xce\x38\x04\x03", b"SHA-1 with DSA", 160),
)
# OID contents, name, bits.
_CURVES = (
    (b"\x2a\x86\x48\xce\x3d\x03\x01\x01", b"P-192", 192),
    (b"\x2b\x81\x04\x00\x21", b"P-224", 224),
    (b"\x2b\x81\x04\x00\x0a", b"secp256k1", 256),
    (b"\x2b\x81\x04\x00\x22", b"P-384", 384),
    (b"\x2b\x81\x04\x00\x23", b"P-521", 521),
)


def algorithm(kind, limits):
    """Return the TrustError for a signature algorithm (OID contents) that is not accepted."""
    for known, name, bits in _ALGORITHMS:
        if known == kind:
            return TrustError(
                "signatures with %s (%s) are not accepted: a hash of %d bits, and this device "
                "wants at least %d"
                % (name.decode(), oid_text.dotted(kind), bits, limits.MIN_HASH_BITS)
            )
    return TrustError("signatures with %s are not accepted" % oid_text.dotted(kind))


def key(kind):
    """Return the TrustError for a kind of key (OID contents) that is not accepted."""
    return TrustError("keys of the kind %s are not accepted" % oid_text.dotted(kind))


def curve(named):
    """Return the TrustError for a curve (OID contents) that is not accepted."""
    for known, name, _ in _CURVES:
        if known == named:
            text = "%s (%s)" % (name.decode(), oid_text.dotted(named))
            return TrustError("keys on the curve %s are not accepted" % text)
    return TrustError("keys on the curve %s are not accepted" % oid_text.dotted(named))


def curve_bits(named):
    """Return the bits (int) of a NIST curve (OID contents). Raises TrustError for others."""
    for known, name, bits in _CURVES:
        if known == named and name.startswith(b"P"):
            return bits
    raise curve(named)
