"""A private key in CMS, encrypted (RFC 7030 4.4.2): EnvelopedData around SignedData around an
AsymmetricKeyPackage (RFC 5652, RFC 5958), for an AES key or, by ECDH, for a P-256 key (RFC 5753).

`cryptography` has the primitives and none of these messages; pki.der writes them.
"""

import os

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from pki import der, der_writer, oid_text

from estctl.server.signing import Pair, PrivateKey

_CMS = "1.2.840.113549.1.7."
_SIGNED_DATA, _ENVELOPED_DATA = _CMS + "2", _CMS + "3"
_KEY_PACKAGE = "2.16.840.1.101.2.1.2.78.5"  # id-ct-KP-aKeyPackage (RFC 5958)
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SHA256 = "2.16.840.1.101.3.4.2.1"
_ECDSA_SHA256, _RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
_EC_PUBLIC_KEY = "1.2.840.10045.2.1"
_AES = "2.16.840.1.101.3.4.1."
CBC = {16: _AES + "2", 32: _AES + "42"}  # by the octets of the key
WRAP = {16: _AES + "5", 32: _AES + "45"}
ECDH = "1.3.132.1.11.1"  # dhSinglePass-stdDH-sha256kdf-scheme


def for_shared_key(content: bytes, size: int, identifier: bytes, key: bytes) -> bytes:
    """Return EnvelopedData around a signed content, for who has an AES key.

    size: octets of the content-encryption key.
    """
    content_key = os.urandom(size)
    recipient = der_writer.tlv(
        0xA2,
        der_writer.integer(4),
        _sequence(der_writer.tlv(der.OCTET_STRING, identifier)),
        _algorithm(WRAP[len(key)]),
        der_writer.tlv(der.OCTET_STRING, aes_key_wrap(key, content_key)),
    )
    return _enveloped(content, content_key, recipient)


def for_public_key(
    content: bytes, size: int, identifier: bytes, key: ec.EllipticCurvePublicKey, wrap: int
) -> bytes:
    """Return EnvelopedData around a signed content, for who has a P-256 key.

    size, wrap: octets of the content-encryption and of the key-encryption key.
    """
    content_key = os.urandom(size)
    own = ec.generate_private_key(ec.SECP256R1())
    wrapping = _algorithm(WRAP[wrap])
    bits = der_writer.tlv(0xA2, der_writer.tlv(der.OCTET_STRING, (8 * wrap).to_bytes(4, "big")))
    shared_info = _sequence(wrapping, bits)
    kdf = X963KDF(hashes.SHA256(), wrap, shared_info)
    kek = kdf.derive(own.exchange(ec.ECDH(), key))
    point = own.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    originator = der_writer.tlv(0xA1, _algorithm(_EC_PUBLIC_KEY), der_writer.bit_string(point))
    whom = der_writer.tlv(0xA0, der_writer.tlv(der.OCTET_STRING, identifier))  # rKeyId
    wrapped = der_writer.tlv(der.OCTET_STRING, aes_key_wrap(kek, content_key))
    recipient = der_writer.tlv(
        0xA1,
        der_writer.integer(3),
        der_writer.tlv(0xA0, originator),
        _algorithm(ECDH, wrapping),
        _sequence(_sequence(whom, wrapped)),
    )
    return _enveloped(content, content_key, recipient)


def signed_key(key: bytes, signer: Pair) -> bytes:
    """Return SignedData around an AsymmetricKeyPackage of one PKCS #8 key."""
    package = _sequence(key)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(package)
    attributes = (
        _attribute(_CONTENT_TYPE, _oid(_KEY_PACKAGE)),
        _attribute(_MESSAGE_DIGEST, der_writer.tlv(der.OCTET_STRING, digest.finalize())),
    )
    certificate = signer.certificate.public_bytes(serialization.Encoding.DER)
    serial = der_writer.integer(signer.certificate.serial_number)
    issuer = signer.certificate.issuer.public_bytes()
    kind, signature = signed(signer.key, der_writer.set_of(attributes))
    signer_info = _sequence(
        der_writer.integer(1),
        _sequence(issuer, serial),
        _algorithm(_SHA256),
        b"\xa0" + der_writer.set_of(attributes)[1:],
        kind,
        der_writer.tlv(der.OCTET_STRING, signature),
    )
    content = der_writer.tlv(0xA0, der_writer.tlv(der.OCTET_STRING, package))
    return _sequence(
        der_writer.integer(3),
        der_writer.tlv(der.SET, _algorithm(_SHA256)),
        _sequence(_oid(_KEY_PACKAGE), content),
        der_writer.tlv(0xA0, certificate),
        der_writer.tlv(der.SET, signer_info),
    )


def _enveloped(content: bytes, key: bytes, recipient: bytes) -> bytes:
    iv = os.urandom(16)
    padder = padding.PKCS7(128).padder()
    padded = padder.update(content) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    encrypted = _sequence(
        _oid(_SIGNED_DATA),
        _algorithm(CBC[len(key)], der_writer.tlv(der.OCTET_STRING, iv)),
        der_writer.tlv(0x80, encryptor.update(padded) + encryptor.finalize()),
    )
    inner = _sequence(der_writer.integer(2), der_writer.tlv(der.SET, recipient), encrypted)
    return _sequence(_oid(_ENVELOPED_DATA), der_writer.tlv(0xA0, inner))


def signed(key: PrivateKey, message: bytes) -> tuple[bytes, bytes]:
    """Return (signatureAlgorithm, signature) of a message, with SHA-256."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _algorithm(_ECDSA_SHA256), key.sign(message, ec.ECDSA(hashes.SHA256()))
    signature = key.sign(message, rsa_padding.PKCS1v15(), hashes.SHA256())
    return _algorithm(_RSA_SHA256, b"\x05\x00"), signature


def _algorithm(kind: str, parameters: bytes = b"") -> bytes:
    return _sequence(_oid(kind), parameters)


def _attribute(kind: str, value: bytes) -> bytes:
    return _sequence(_oid(kind), der_writer.tlv(der.SET, value))


def _sequence(*parts: bytes) -> bytes:
    return bytes(der_writer.tlv(der.SEQUENCE, *parts))


def _oid(dotted: str) -> bytes:
    return bytes(der_writer.oid(oid_text.encode(dotted)))
