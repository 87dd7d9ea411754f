"""RSASSA-PSS verification (RFC 8017 8.1.2; parameters of RFC 4055), SHA-256 to SHA-512."""

from est_errors import DerError, TrustError

from pki import der, rsa, signature

_MGF1 = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3
_LENGTHS = (32, 48, 64)


async def verify(key, algorithm, digest, octets):
    """Check a signature. Raises TrustError, DerError.

    key: the RSAPublicKey DER; algorithm: AlgorithmIdentifier DER; digest: bytes of the message's
    digest; octets: the signature; all bytes-like.
    """
    number, salt_length = parameters(algorithm)
    n, e, size, bits = rsa.public_numbers(key)
    encoded = await rsa.recover(n, e, size, octets)
    # EMSA-PSS-VERIFY (RFC 8017 9.1.2) with emBits = bits - 1.
    if (bits - 1) % 8 == 0:
        if encoded[0]:
            raise TrustError("the signature is wrong")
        encoded = encoded[1:]
    length = _LENGTHS[number - 1]
    start = len(encoded) - length - 1
    if start < salt_length + 1 or encoded[-1] != 0xBC:
        raise TrustError("the signature is wrong")
    masked, h = encoded[:start], encoded[start:-1]
    unused = 8 * len(encoded) - (bits - 1)
    if masked[0] >> (8 - unused) if unused else 0:
        raise TrustError("the signature is wrong")
    db = bytearray(masked)
    mask = await _mgf1(h, start, number)
    for i in range(start):
        db[i] ^= mask[i]
    db[0] &= 0xFF >> unused
    zeros = start - salt_length - 1
    if any(db[:zeros]) or db[zeros] != 1:
        raise TrustError("the signature is wrong")
    salt = bytes(db[zeros + 1 :])
    if await signature.digest(number, bytes(8) + digest + salt) != h:
        raise TrustError("the signature is wrong")


def parameters(algorithm):
    """Return (number of the SHA-2, salt length) of an AlgorithmIdentifier of RSASSA-PSS (DER).

    SHA-1, which is the default, and mixed hashes are refused with TrustError.
    """
    reader = der.sequence(algorithm)
    reader.oid()
    outer = reader.enter()
    reader.finish()
    number = mask_number = None
    salt_length = 20
    if outer.peek() == 0xA0:
        number = _sha2(outer.enter(0xA0).enter())
    if outer.peek() == 0xA1:
        mask = outer.enter(0xA1).enter()
        if mask.oid() != _MGF1:
            raise TrustError("RSA-PSS with another mask than MGF1 is not accepted")
        mask_number = _sha2(mask.enter())
    if outer.peek() == 0xA2:
        salt_length = outer.enter(0xA2).integer()
    if outer.peek() == 0xA3 and outer.enter(0xA3).integer() != 1:
        raise DerError("RSA-PSS: bad trailer field")
    outer.finish()
    if number is None or number != mask_number:
        raise TrustError("RSA-PSS with SHA-1, or with two different hashes, is not accepted")
    if salt_length < 0:  # OpenSSL before 3.1 makes it as long as it fits
        raise DerError("RSA-PSS: bad salt length")
    return number, salt_length


def _sha2(reader):
    kind = reader.oid()
    if kind[:-1] != _SHA2 or not 1 <= kind[-1] <= 3:
        raise TrustError("RSA-PSS with another hash than SHA-2 is not accepted")
    return kind[-1]


async def _mgf1(seed, length, number):
    """Return the mask of RFC 8017 B.2.1 (at least length bytes)."""
    out = b""
    counter = 0
    while len(out) < length:
        out += await signature.digest(number, seed + counter.to_bytes(4, "big"))
        counter += 1
    return out
