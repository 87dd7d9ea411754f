"""The AlgorithmIdentifiers of signatures and keys (RFC 5280 4.1.1.2 and 4.1.2.7): ECDSA and RSA.

ECDSA with P-256 and P-384, RSA PKCS #1 v1.5 and PSS, SHA-256, SHA-384 and SHA-512. Everything
else, and what is below the board's minimum, is refused by name. pki.signature verifies with them.
"""

import est_limits
from est_errors import DerError, TrustError
from micropython import const

from pki import der

_NULL = const(0x05)
EC_PUBLIC_KEY = const(b"\x2a\x86\x48\xce\x3d\x02\x01")
RSA_ENCRYPTION = const(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01")
PRIME256V1 = const(b"\x2a\x86\x48\xce\x3d\x03\x01\x07")
ECDSA_WITH_SHA2 = const(b"\x2a\x86\x48\xce\x3d\x04\x03")  # and 2, 3, 4 for SHA-256, -384, -512
_RSA_WITH = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # and 11, 12, 13
RSASSA_PSS = const(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a")


def hash_number(algorithm, limits=est_limits):
    """Return the hash of a signature's AlgorithmIdentifier (DER): 1, 2, 3 for SHA-256, -384, -512.

    Raises TrustError for other algorithms, and for a hash below limits.MIN_HASH_BITS.
    """
    reader = der.sequence(algorithm)
    kind = reader.oid()
    last = kind[-1]
    if kind[:-1] == ECDSA_WITH_SHA2 and 2 <= last <= 4:
        reader.finish()  # RFC 5758 3.2: no parameters
        number = last - 1
    elif kind[:-1] == _RSA_WITH and 11 <= last <= 13:
        _null(reader)
        number = last - 10
    elif kind == RSASSA_PSS:
        from pki import rsa_pss

        number = rsa_pss.parameters(algorithm)[0]
    else:
        from pki import refused

        raise refused.algorithm(kind, limits)
    if 128 + 128 * number < limits.MIN_HASH_BITS:
        raise TrustError(
            "a signature with SHA-%d: this device accepts hashes from %d bits on"
            % (128 + 128 * number, limits.MIN_HASH_BITS)
        )
    return number


def check_key(spki, limits=est_limits):
    """Check the kind and the size of a public key against the board's minimum.

    spki: SubjectPublicKeyInfo DER. Raises TrustError, naming both sizes; DerError.
    """
    kind, parameters, key = public_key(spki)
    if kind == EC_PUBLIC_KEY:
        named = parameters.oid()  # RFC 5480: a named curve, nothing else
        parameters.finish()
        bits, least = 256, limits.MIN_EC_BITS
        if named != PRIME256V1:
            from pki import refused

            bits = refused.curve_bits(named)
    elif kind == RSA_ENCRYPTION:
        from pki import rsa

        _null(parameters)
        bits, least = rsa.public_numbers(key)[3], limits.MIN_RSA_BITS
    else:
        from pki import refused

        raise refused.key(kind)
    if bits < least:
        raise TrustError(
            "%s keys of %d bits are not accepted: this device wants at least %d"
            % ("EC" if kind == EC_PUBLIC_KEY else "RSA", bits, least)
        )


def _null(reader):
    """Read the parameters of RSA: NULL (RFC 8017 A); some encoders leave it out."""
    if reader.more() and len(reader.take(_NULL)):
        raise DerError("DER: bad NULL")
    reader.finish()


def public_key(spki):
    """Return (algorithm OID, parameters Reader, key octets) of a SubjectPublicKeyInfo."""
    reader = der.sequence(spki)
    algorithm = reader.enter()
    key = reader.bit_string()
    reader.finish()
    return algorithm.oid(), algorithm, key
