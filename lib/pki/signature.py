"""Signature verification: ECDSA with P-256 and P-384, RSA PKCS #1 v1.5 and PSS up to 4096 bits.

pki.algorithms decides what is accepted. What one key does not need is not loaded.
"""

import asyncio
import hashlib
import sys

import est_limits
from est_errors import TrustError
from micropython import const

from pki import algorithms, der

_SHA256 = const(1)
_BLOCK = const(128)  # of SHA-384 and SHA-512: about 60 ms of an RP2040 in Python
_SECP384R1 = b"\x2b\x81\x04\x00\x22"


async def verify(spki, algorithm, message, signature, limits=est_limits):
    """Check a signature. Raises TrustError where it is wrong or its algorithm is not accepted.

    spki: SubjectPublicKeyInfo DER; algorithm: AlgorithmIdentifier DER; message: what was signed;
    signature: the octets of the BIT STRING; all bytes-like. limits: see est_limits. DerError where
    one of them is broken.
    """
    digested = await digest(algorithms.hash_number(algorithm, limits), message)
    await asyncio.sleep(0)
    await verify_digest(spki, algorithm, digested, signature, limits)


async def verify_digest(spki, algorithm, digest, signature, limits=est_limits):
    """Check a signature over a message of which the digest is known; otherwise as verify().

    digest: bytes, made with the hash that algorithms.hash_number() names.
    """
    number = algorithms.hash_number(algorithm, limits)
    algorithms.check_key(spki, limits)
    key_kind, parameters, key = algorithms.public_key(spki)
    kind = der.sequence(algorithm).oid()
    ecdsa = kind[:-1] == algorithms.ECDSA_WITH_SHA2
    if key_kind != (algorithms.EC_PUBLIC_KEY if ecdsa else algorithms.RSA_ENCRYPTION):
        raise TrustError("a signature by a key of another kind than its algorithm says")
    if ecdsa:
        await _verify_ecdsa(parameters, key, digest, signature)
    elif kind == algorithms.RSASSA_PSS:
        from pki import rsa_pss

        await rsa_pss.verify(key, algorithm, digest, signature)
    else:
        from pki import rsa

        await rsa.verify(key, rsa.digest_info(number, digest), signature)


async def _verify_ecdsa(parameters, key, digest, signature):
    from pki import ec, ec_point

    named = parameters.oid()
    if named == algorithms.PRIME256V1:
        curve = ec.P256
    elif named == _SECP384R1:
        from pki import p384

        curve = p384.P384
    else:
        from pki import refused

        raise refused.curve(named)
    point = ec_point.decode(curve, key)
    r, s = decode_ecdsa(curve, signature)
    p256 = sys.modules.get("pki.p256")
    # To choose one takes room, and time: has_room() collects garbage.
    fast = curve is ec.P256 and ((p256 and p256.ready()) or ec.has_room())
    await asyncio.sleep(0)
    if fast:
        from pki import p256

        right = await p256.verify(point, digest, r, s)
    else:
        from pki import jacobian

        right = await jacobian.verify(curve, point, digest, r, s)
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
