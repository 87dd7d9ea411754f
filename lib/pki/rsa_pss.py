"""RSASSA-PSS verification (RFC 8017 8.1.2; parameters of RFC 4055), SHA-256 to SHA-512."""

from est_errors import DerError, TrustError

from pki import rsa

_MGF1 = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3
_LENGTHS = (32, 48, 64)


def verify(key, parameters, message, signature, digest):
    """Check a signature. Raises TrustError, DerError.

    key: the RSAPublicKey DER; parameters: Reader at the RSASSA-PSS-params; message, signature:
    bytes-like; digest: function of (1, 2 or 3 for SHA-256, -384, -512; message) giving bytes.
    """
    number, salt_length = _parameters(parameters)
    n, e, size, bits = rsa.public_numbers(key)
    encoded = rsa.recover(n, e, size, signature)
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
    mask = _mgf1(h, start, number, digest)
    for i in range(start):
        db[i] ^= mask[i]
    db[0] &= 0xFF >> unused
    zeros = start - salt_length - 1
    if any(db[:zeros]) or db[zeros] != 1:
        raise TrustError("the signature is wrong")
    salt = bytes(db[zeros + 1 :])
    if digest(number, bytes(8) + digest(number, message) + salt) != h:
        raise TrustError("the signature is wrong")


def _parameters(reader):
    """Return (number of the SHA-2, salt length); SHA-1 defaults and mixed hashes are refused."""
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
    if not 0 <= salt_length <= 64:
        raise DerError("RSA-PSS: bad salt length")
    return number, salt_length


def _sha2(reader):
    kind = reader.oid()
    if kind[:-1] != _SHA2 or not 1 <= kind[-1] <= 3:
        raise TrustError("RSA-PSS with another hash than SHA-2 is not accepted")
    return kind[-1]


def _mgf1(seed, length, number, digest):
    """Return the mask of RFC 8017 B.2.1 (at least length bytes)."""
    out = b""
    counter = 0
    while len(out) < length:
        out += digest(number, seed + counter.to_bytes(4, "big"))
        counter += 1
    return out
