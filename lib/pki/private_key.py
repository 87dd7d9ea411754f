"""A private key that came from elsewhere: what kind it is, and whether it is whole.

P-256 and RSA, in PKCS #8 (RFC 5958), SEC 1 (RFC 5915) or PKCS #1 (RFC 8017 A.1.2), which libest
calls application/pkcs8, too. That an RSA key's factors are primes is not checked.
"""

import asyncio

from est_errors import DerError, KeyFault, TrustError

from pki import der, der_writer

# AlgorithmIdentifier of RSA; the OID is 9 octets of it.
_RSA = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
_EC_PUBLIC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"
_PRIME256V1 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"


async def read(encoded):
    """Return (PKCS #8 DER, SubjectPublicKeyInfo DER) of a private key (DER, bytes-like).

    The public key is computed from the private one for P-256; for RSA it is the one inside, with
    which the private numbers have to agree. Raises KeyFault for other kinds, by their name, and
    for damaged keys.
    """
    whole = None
    try:
        reader = der.sequence(encoded)
        version = reader.integer()
        if reader.peek() == der.INTEGER and not version:
            return await _pkcs1(encoded)
        if reader.peek() == der.SEQUENCE:
            if _is_rsa(reader.enter()):
                return await _pkcs1(bytes(reader.take(der.OCTET_STRING)))
            whole = bytes(encoded)
    except DerError:
        raise KeyFault("this is no PKCS #8 private key, or a damaged one")
    from pki import encoded_key, keys

    key = await keys.load(encoded)
    return whole or encoded_key.to_pkcs8(await key.private_bytes()), await key.public_key()


def _is_rsa(algorithm):
    """Return whether it is RSA (True) or P-256 (False); refuse everything else by its name."""
    kind = algorithm.oid()
    if kind == _RSA[4:13]:
        return True
    named = algorithm.oid() if kind == _EC_PUBLIC_KEY else None
    if named == _PRIME256V1:
        return False
    from pki import refused

    raise KeyFault(refused.curve(named).message if named else refused.key(kind).message)


async def _pkcs1(encoded):
    """Check an RSAPrivateKey; return it as PKCS #8, and its public key."""
    reader = der.sequence(encoded)
    numbers = []
    for _ in range(9):
        numbers.append(reader.integer())
    reader.finish()
    version, n, e, d, p, q, dp, dq, inverse = numbers
    public = (
        der_writer.tlv(der.SEQUENCE, der_writer.integer(n), der_writer.integer(e))
        if n > 0 < e
        else b""
    )
    from pki import rsa

    try:
        rsa.public_numbers(public)  # bounds n and e, and so what follows
    except TrustError as error:
        raise KeyFault(error.message)
    right = version == 0 and 1 < p < n and 1 < q < n and 0 < d < n
    # RFC 8017 3.2: each of these gives way, as a remainder of 4096 bits takes a while.
    for divide in (
        lambda: p * q == n,
        lambda: e * d % (p - 1) == 1 and e * d % (q - 1) == 1,
        lambda: dp == d % (p - 1) and dq == d % (q - 1),
        lambda: 0 < inverse < p and inverse * q % p == 1,
    ):
        right = right and divide()
        await asyncio.sleep(0)
    if not right:
        raise KeyFault("a damaged RSA key: its numbers do not belong together")
    whole = der_writer.tlv(
        der.SEQUENCE, der_writer.integer(0), _RSA, der_writer.tlv(der.OCTET_STRING, encoded)
    )
    return whole, der_writer.tlv(der.SEQUENCE, _RSA, der_writer.bit_string(public))
