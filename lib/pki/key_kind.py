"""What kind of key a SubjectPublicKeyInfo or a server's wish names: "P-256", "RSA-3072".

A kind is (algorithm as OID contents, what of it): the curve's OID contents for EC, the bits of the
modulus for RSA, None where it is not said, or for other algorithms.
"""

from micropython import const

from pki import der, oid_text

EC = const(b"\x2a\x86\x48\xce\x3d\x02\x01")
RSA = const(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")
PRIME256V1 = const(b"\x2a\x86\x48\xce\x3d\x03\x01\x07")

_NAMES = (
    (PRIME256V1, b"P-256"),
    (b"\x2b\x81\x04\x00\x22", b"P-384"),
    (b"\x2b\x81\x04\x00\x23", b"P-521"),
    (b"\x2b\x65\x70", b"Ed25519"),
    (b"\x2b\x65\x71", b"Ed448"),
)


def of_key(public):
    """Return the kind of a SubjectPublicKeyInfo (DER bytes). Raises DerError."""
    reader = der.sequence(public)
    return described(reader.enter(), reader.bit_string())


def described(algorithm, public):
    """Return the kind of an AlgorithmIdentifier (a der.Reader inside) and its key, or None."""
    kind = algorithm.oid()
    if kind == EC and algorithm.peek() == der.OID:
        return kind, algorithm.oid()
    if kind == RSA and public is not None:
        modulus = der.sequence(public).take(der.INTEGER)
        # A placeholder of nothing but zeros has its length, too.
        size = len(modulus) - (1 if len(modulus) and not modulus[0] else 0)
        return kind, 8 * size
    return kind, None


def fits(wanted, kind):
    """Return whether a key of this kind is what is wanted."""
    return wanted[0] == kind[0] and wanted[1] in (None, kind[1])


def text(kind):
    """Return the kind as people call it (str)."""
    algorithm, detail = kind
    if algorithm == RSA:
        return "RSA-%d" % detail if detail else "RSA"
    if algorithm == EC and detail is None:
        return "EC"
    wanted = detail if algorithm == EC else algorithm
    for contents, name in _NAMES:
        if contents == wanted:
            return name.decode()
    return oid_text.dotted(wanted)
