"""RSA signature verification, PKCS #1 v1.5 (RFC 8017 8.2.2): strict, by building and comparing.

The public-key operation serves pki.rsa_pss, too. The least size is pki.algorithms.check_key's.
"""

import asyncio

from est_errors import DerError, TrustError
from micropython import const

from pki import der, der_writer

_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3

_MOST_BITS = const(4096)
_MOST_EXPONENT_BITS = const(32)  # larger ones are unheard of and make verification slow


async def verify(key, digest_info, signature):
    """Check a signature over a digest. Raises TrustError, DerError.

    key: the RSAPublicKey DER (bytes-like); digest_info: the DER DigestInfo (bytes) of the digest;
    signature: bytes-like.
    """
    n, e, size, _ = public_numbers(key)
    # EMSA-PKCS1-v1_5: nothing of the encoded message is parsed, so that nothing can hide in it.
    padding = b"\xff" * (size - 3 - len(digest_info))
    if await recover(n, e, size, signature) != b"\0\x01" + padding + b"\0" + digest_info:
        raise TrustError("the signature is wrong")


def public_numbers(key):
    """Return (modulus, exponent, octets and bits of the modulus) of an RSAPublicKey (DER).

    Raises TrustError for keys that are not accepted because they are too large; DerError.
    """
    reader = der.sequence(key)
    n = reader.integer()
    e = reader.integer()
    reader.finish()
    if n < 0 or e < 0:
        raise DerError("RSA: negative numbers in a key")
    size = (len("%x" % n) + 1) // 2
    bits = size * 8
    while bits and not n >> (bits - 1):
        bits -= 1
    if bits > _MOST_BITS:
        raise TrustError("RSA keys of %d bits are not accepted: at most %d" % (bits, _MOST_BITS))
    if e < 3 or not e & 1 or e >> _MOST_EXPONENT_BITS:
        raise TrustError("RSA: the public exponent is not accepted")
    return n, e, size, bits


async def recover(n, e, size, signature):
    """Return the encoded message (bytes, as long as the modulus) of a signature (bytes-like)."""
    s = int.from_bytes(bytes(signature), "big")
    if len(signature) != size or s >= n:
        raise TrustError("the signature is wrong (its length)")
    # Not pow(s, e, n): for 4096 bits that would stop all other tasks for a second on a slow chip.
    power = s
    bit = _MOST_EXPONENT_BITS - 1
    while not e >> bit:
        bit -= 1
    while bit:
        bit -= 1
        power = power * power % n
        await asyncio.sleep(0)
        if e >> bit & 1:
            power = power * s % n
            await asyncio.sleep(0)
    return power.to_bytes(size, "big")


def digest_info(number, digest):
    """Return the DER DigestInfo (RFC 8017 9.2) of a digest."""
    algorithm = der_writer.tlv(der.SEQUENCE, der_writer.oid(_SHA2 + bytes((number,))), b"\x05\x00")
    return der_writer.tlv(der.SEQUENCE, algorithm, der_writer.tlv(der.OCTET_STRING, digest))
