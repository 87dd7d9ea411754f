"""The key backend of the host: `cryptography`, for EC P-256 and RSA keys in files.

The same interface as pki.keys.SoftwareKey; see lib/pki/keys.py.
"""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from est_errors import DerError, KeyFault

_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")


class HostKey:
    """A private key of `cryptography`."""

    def __init__(self, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        self._key = key
        is_ec = isinstance(key, ec.EllipticCurvePrivateKey)
        self.signature_algorithm = _ECDSA_WITH_SHA256 if is_ec else _SHA256_WITH_RSA

    @classmethod
    def generate(cls) -> "HostKey":
        """Return a new P-256 key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, der: bytes) -> "HostKey":
        """Return the key of SEC 1, PKCS #1 or PKCS #8 DER. Raises KeyFault for other kinds."""
        try:
            key = load_der_private_key(der, None)
        except (ValueError, TypeError):
            raise KeyFault("this is no unencrypted private key") from None
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key)
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
            return cls(key)
        raise KeyFault("the private key is neither P-256 nor RSA with 2048 bits or more")

    def __repr__(self) -> str:
        return "<HostKey>"

    async def public_key(self) -> bytes:
        """Return the SubjectPublicKeyInfo (DER)."""
        form = PublicFormat.SubjectPublicKeyInfo
        return self._key.public_key().public_bytes(Encoding.DER, form)

    async def sign(self, digest: bytes) -> bytes:
        """Return the signature of a 32-byte SHA-256 digest."""
        hashed = utils.Prehashed(hashes.SHA256())
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(digest, ec.ECDSA(hashed))
        return self._key.sign(digest, padding.PKCS1v15(), hashed)

    async def private_bytes(self) -> bytes:
        """Return the SEC 1 or PKCS #1 private key (DER)."""
        form = PrivateFormat.TraditionalOpenSSL
        return self._key.private_bytes(Encoding.DER, form, NoEncryption())

    async def exchange(self, point: bytes) -> bytes:
        """Return the ECDH secret with an uncompressed P-256 point. Raises DerError, KeyFault."""
        if not isinstance(self._key, ec.EllipticCurvePrivateKey):
            raise KeyFault("an RSA key has no ECDH: a P-256 key is needed")
        try:
            public = ec.EllipticCurvePublicKey.from_encoded_point(self._key.curve, bytes(point))
        except ValueError:
            raise DerError("EC: the point is not on the curve") from None
        return self._key.exchange(ec.ECDH(), public)
