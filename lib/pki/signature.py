"""Signature verification by AlgorithmIdentifier (RFC 5280 4.1.1.2): ECDSA and RSA.

ECDSA with P-256 and P-384, RSA PKCS #1 v1.5 and PSS with 2048 to 4096 bits, SHA-256, SHA-384 and
SHA-512. SHA-1, MD5 and other curves are refused by name. What one key does not need is not loaded.
"""

import hashlib

from est_errors import DerError, TrustError
from micropython import const

from pki import der, oid

_NULL = const(0x05)
_EC_PUBLIC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"
_RSA_ENCRYPTION = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
_PRIME256V1 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"
_SECP384R1 = b"\x2b\x81\x04\x00\x22"
_ECDSA_WITH_SHA2 = b"\x2a\x86\x48\xce\x3d\x04\x03"  # and 2, 3, 4 for SHA-256, -384, -512
_RSA_WITH = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # and 11, 12, 13
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3


async def verify(spki, algorithm, message, signature):
    """Check a signature. Raises TrustError where it is wrong or its algorithm is not accepted.

    spki: SubjectPublicKeyInfo DER; algorithm: AlgorithmIdentifier DER; message: what was signed;
    signature: the octets of the BIT STRING; all bytes-like. DerError where one of them is broken.
    """
    reader = der.sequence(algorithm)
    kind = reader.oid()
    last = kind[-1]
    key_kind, parameters, key = _key(spki)
    if kind[:-1] == _ECDSA_WITH_SHA2 and 2 <= last <= 4:
        reader.finish()  # RFC 5758 3.2: no parameters
        if key_kind != _EC_PUBLIC_KEY:
            raise TrustError("an ECDSA signature with a key of another kind")
        await _verify_ecdsa(parameters, key, digest(last - 1, message), signature)
    elif kind[:-1] == _RSA_WITH and 11 <= last <= 13:
        _null(reader)
        if key_kind != _RSA_ENCRYPTION:
            raise TrustError("an RSA signature with a key of another kind")
        from pki import rsa

        rsa.verify(key, _digest_info(last - 10, message), signature)
    elif kind == _RSA_WITH + b"\x0a":
        if key_kind != _RSA_ENCRYPTION:
            raise TrustError("an RSA signature with a key of another kind")
        from pki import rsa_pss

        rsa_pss.verify(key, reader, message, signature, digest)
    else:
        raise TrustError("signatures with %s are not accepted" % oid.dotted(kind))


def _key(spki):
    """Return (algorithm OID, parameters Reader, key octets) of a SubjectPublicKeyInfo."""
    reader = der.sequence(spki)
    algorithm = reader.enter()
    key = reader.bit_string()
    reader.finish()
    return algorithm.oid(), algorithm, key


async def _verify_ecdsa(parameters, key, digest, signature):
    from pki import ec

    named = parameters.oid()  # RFC 5480: a named curve, nothing else
    parameters.finish()
    if named == _PRIME256V1:
        curve = ec.P256
    elif named == _SECP384R1:
        from pki import p384

        curve = p384.CURVE
    else:
        raise TrustError("keys on the curve %s are not accepted" % oid.dotted(named))
    point = ec.decode_point(curve, key)
    r, s = ec.decode_signature(curve, signature)
    if not await ec.verify(curve, point, digest, r, s):
        raise TrustError("the signature is wrong")


def digest(number, message):
    """Return the digest (bytes) of SHA-256 (number 1), SHA-384 (2) or SHA-512 (3)."""
    if number == 1:
        return hashlib.sha256(message).digest()
    name = "sha384" if number == 2 else "sha512"
    if hasattr(hashlib, name):
        return getattr(hashlib, name)(message).digest()
    from pki import sha512

    return getattr(sha512, name)(message)


def _digest_info(number, message):
    """Return the DER DigestInfo (RFC 8017 9.2) of a message's digest."""
    algorithm = der.tlv(der.SEQUENCE, der.oid(_SHA2 + bytes((number,))), b"\x05\x00")
    octets = der.tlv(der.OCTET_STRING, digest(number, message))
    return der.tlv(der.SEQUENCE, algorithm, octets)


def _null(reader):
    """RFC 8017 A.2.4: the parameters are NULL; some encoders leave them out."""
    if reader.more() and len(reader.take(_NULL)):
        raise DerError("DER: bad NULL")
    reader.finish()
