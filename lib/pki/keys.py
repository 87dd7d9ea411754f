"""Private keys: one small interface, and the software backend that every board has.

A key is an object with these, all of which every backend gives:

    signature_algorithm     the AlgorithmIdentifier (DER bytes) of what sign() makes
    await public_key()      the SubjectPublicKeyInfo (DER bytes)
    await sign(digest)      the signature (bytes) of a 32-byte SHA-256 digest; for EC the DER
                            ECDSA-Sig-Value
    await private_bytes()   the ECPrivateKey of RFC 5915 (DER bytes); KeyFault where the key cannot
                            leave its hardware
    await exchange(point)   the ECDH secret (32 bytes) with an uncompressed P-256 point (65
                            octets); KeyFault where the backend has no ECDH

An object that is held keeps its module in the heap, and that keeps what it names: so this one
names no other.
"""

from est_errors import KeyFault
from micropython import const

_CURVE = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"  # secp256r1
_ALGORITHM = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01" + _CURVE  # id-ecPublicKey
_ECDSA_WITH_SHA256 = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
_SIZE = const(32)
_SEQUENCE = const(0x30)
_OCTET_STRING = const(4)
_CONTEXT = const(0xA0)


class SoftwareKey:
    """A P-256 key whose scalar is in memory; see pki.p256 for what that protects."""

    signature_algorithm = _ECDSA_WITH_SHA256

    def __init__(self, scalar, point):
        self._scalar = scalar
        self._point = point  # uncompressed, 65 octets

    def __repr__(self):
        return "<SoftwareKey P-256>"  # never the scalar

    async def public_key(self):
        """Return the SubjectPublicKeyInfo (DER, 91 bytes; RFC 5480)."""
        return spki(self._point)

    async def sign(self, digest):
        """Return the DER ECDSA-Sig-Value of a 32-byte SHA-256 digest; the nonce is RFC 6979's."""
        if len(digest) != _SIZE:
            raise KeyFault("a SHA-256 digest of 32 bytes is needed")
        from pki import der_writer, p256

        r, s = await p256.sign(self._scalar, digest)
        return der_writer.tlv(_SEQUENCE, der_writer.integer(r), der_writer.integer(s))

    async def private_bytes(self):
        """Return the ECPrivateKey (DER; RFC 5915) with curve and public key."""
        from pki import der_writer

        return der_writer.tlv(
            _SEQUENCE,
            der_writer.integer(1),
            der_writer.tlv(_OCTET_STRING, self._scalar.to_bytes(_SIZE, "big")),
            der_writer.tlv(_CONTEXT, _CURVE),
            der_writer.tlv(_CONTEXT + 1, der_writer.bit_string(self._point)),
        )

    async def exchange(self, point):
        """Return the ECDH secret (32 bytes) with an uncompressed point; DerError for a bad one."""
        from pki import ecdh, p256

        p256.forget()  # ECDH needs the heap that signing took
        return await ecdh.shared_secret(self._scalar, point)


async def generate():
    """Return a new SoftwareKey from fresh randomness (FIPS 186-4 B.4.1)."""
    from pki import ec, entropy

    return await _from_scalar(1 + entropy.below(ec.P256.n - 1))


async def load(encoded):
    """Return the SoftwareKey of a SEC 1 (RFC 5915) or PKCS #8 (RFC 5958) P-256 key in DER.

    Raises KeyFault where it is another kind of key, damaged, out of range, or where the public key
    in it is not its own.
    """
    from pki import encoded_key

    scalar, point = encoded_key.parse(encoded)
    key = await _from_scalar(scalar)
    if point is not None and point != key._point:
        raise KeyFault("the private key's public key is not its own")
    return key


def spki(point):
    """Return the SubjectPublicKeyInfo (DER bytes) of an uncompressed P-256 point (65 octets)."""
    from pki import der_writer

    return der_writer.tlv(_SEQUENCE, _ALGORITHM, der_writer.bit_string(point))


async def _from_scalar(scalar):
    from pki import p256

    x, y = await p256.multiply_base(scalar)
    return SoftwareKey(scalar, b"\x04" + x.to_bytes(_SIZE, "big") + y.to_bytes(_SIZE, "big"))
