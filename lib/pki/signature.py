"""Signature verification by AlgorithmIdentifier (RFC 5280 4.1.1.2): ECDSA and RSA.

ECDSA with P-256 and P-384, RSA PKCS #1 v1.5 and PSS up to 4096 bits, SHA-256, SHA-384 and SHA-512.
Everything else, and what is below the board's minimum, is refused by name. What one key does not
need is not loaded.
"""

import asyncio
import hashlib
import sys

import est_limits
from est_errors import DerError, TrustError
from micropython import const

from pki import der

_NULL = const(0x05)
_SHA256 = const(1)
_BLOCK = const(128)  # of SHA-384 and SHA-512: about 60 ms of an RP2040 in Python
_EC_PUBLIC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"
_RSA_ENCRYPTION = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01"
_PRIME256V1 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"
_SECP384R1 = b"\x2b\x81\x04\x00\x22"
_ECDSA_WITH_SHA2 = b"\x2a\x86\x48\xce\x3d\x04\x03"  # and 2, 3, 4 for SHA-256, -384, -512
_RSA_WITH = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # and 11, 12, 13
_RSASSA_PSS = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"


async def verify(spki, algorithm, message, signature, limits=est_limits):
    """Check a signature. Raises TrustError where it is wrong or its algorithm is not accepted.

    spki: SubjectPublicKeyInfo DER; algorithm: AlgorithmIdentifier DER; message: what was signed;
    signature: the octets of the BIT STRING; all bytes-like. limits: see est_limits. DerError where
    one of them is broken.
    """
    digested = await digest(hash_number(algorithm, limits), message)
    await verify_digest(spki, algorithm, digested, signature, limits)


async def verify_digest(spki, algorithm, digest, signature, limits=est_limits):
    """Check a signature over a message of which the digest is known; otherwise as verify().

    digest: bytes, made with the hash that hash_number() names.
    """
    number = hash_number(algorithm, limits)
    check_key(spki, limits)
    key_kind, parameters, key = _key(spki)
    kind = der.sequence(algorithm).oid()
    ecdsa = kind[:-1] == _ECDSA_WITH_SHA2
    if key_kind != (_EC_PUBLIC_KEY if ecdsa else _RSA_ENCRYPTION):
        raise TrustError("a signature by a key of another kind than its algorithm says")
    if ecdsa:
        await _verify_ecdsa(parameters, key, digest, signature)
    elif kind == _RSASSA_PSS:
        from pki import rsa_pss

        await rsa_pss.verify(key, algorithm, digest, signature)
    else:
        from pki import rsa

        await rsa.verify(key, rsa.digest_info(number, digest), signature)


def hash_number(algorithm, limits=est_limits):
    """Return the hash of a signature's AlgorithmIdentifier (DER): 1, 2, 3 for SHA-256, -384, -512.

    Raises TrustError for other algorithms, and for a hash below limits.MIN_HASH_BITS.
    """
    reader = der.sequence(algorithm)
    kind = reader.oid()
    last = kind[-1]
    if kind[:-1] == _ECDSA_WITH_SHA2 and 2 <= last <= 4:
        reader.finish()  # RFC 5758 3.2: no parameters
        number = last - 1
    elif kind[:-1] == _RSA_WITH and 11 <= last <= 13:
        _null(reader)
        number = last - 10
    elif kind == _RSASSA_PSS:
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
    kind, parameters, key = _key(spki)
    if kind == _EC_PUBLIC_KEY:
        named = parameters.oid()  # RFC 5480: a named curve, nothing else
        parameters.finish()
        bits, least = 256, limits.MIN_EC_BITS
        if named != _PRIME256V1:
            from pki import refused

            bits = refused.curve_bits(named)
    elif kind == _RSA_ENCRYPTION:
        from pki import rsa

        _null(parameters)
        bits, least = rsa.public_numbers(key)[3], limits.MIN_RSA_BITS
    else:
        from pki import refused

        raise refused.key(kind)
    if bits < least:
        raise TrustError(
            "%s keys of %d bits are not accepted: this device wants at least %d"
            % ("EC" if kind == _EC_PUBLIC_KEY else "RSA", bits, least)
        )


def _null(reader):
    """Read the parameters of RSA: NULL (RFC 8017 A); some encoders leave it out."""
    if reader.more() and len(reader.take(_NULL)):
        raise DerError("DER: bad NULL")
    reader.finish()


def _key(spki):
    """Return (algorithm OID, parameters Reader, key octets) of a SubjectPublicKeyInfo."""
    reader = der.sequence(spki)
    algorithm = reader.enter()
    key = reader.bit_string()
    reader.finish()
    return algorithm.oid(), algorithm, key


async def _verify_ecdsa(parameters, key, digest, signature):
    from pki import ec

    named = parameters.oid()
    if named == _PRIME256V1:
        curve = ec.P256
    elif named == _SECP384R1:
        from pki import p384

        curve = p384.CURVE
    else:
        from pki import refused

        raise refused.curve(named)
    point = ec.decode_point(curve, key)
    r, s = decode_ecdsa(curve, signature)
    if curve is ec.P256 and ("pki.p256" in sys.modules or ec.has_room()):
        from pki import p256

        right = await p256.verify(point, digest, r, s)
    else:
        right = await ec.verify(curve, point, digest, r, s)
    if not right:
        raise TrustError("the signature is wrong")


def decode_ecdsa(curve, signature):
    """Return (r, s) of a DER ECDSA-Sig-Value (RFC 5480). Raises DerError, or TrustError where a
    value is out of range."""
    reader = der.sequence(signature)
    r = reader.integer()
    s = reader.integer()
    reader.finish()
    if not (0 < r < curve.n and 0 < s < curve.n):
        raise TrustError("the signature is wrong (out of range)")
    return r, s


async def digest(number, message):
    """Return the digest (bytes) of SHA-256 (number 1), SHA-384 (2) or SHA-512 (3) of bytes-like.

    hashlib's is used where it has one, which includes hashlib-sha512 of micropython-lib where that
    is installed; else pki.sha512. Gives way to other tasks.
    """
    hasher = new_hash(number)
    await update(hasher, number, memoryview(message))
    return hasher.digest()


def new_hash(number):
    """Return an object with update(bytes-like) and digest() for a hash's number: see digest()."""
    if number == _SHA256:
        return hashlib.sha256()
    name = "sha384" if number == 2 else "sha512"
    if hasattr(hashlib, name):
        return getattr(hashlib, name)()
    from pki import sha512

    return sha512.Sha512(number == 2)


async def update(hasher, number, view):
    """Feed a memoryview to a hash of new_hash(number), giving way to other tasks on the way."""
    if number == _SHA256:
        hasher.update(view)  # in C everywhere
        return
    for at in range(0, len(view), _BLOCK):
        hasher.update(view[at : at + _BLOCK])
        await asyncio.sleep(0)
