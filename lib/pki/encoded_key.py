"""A P-256 private key as it is kept: SEC 1 (ECPrivateKey, RFC 5915) and PKCS #8 (RFC 5958)."""

from est_errors import DerError, KeyFault
from micropython import const

from pki import der, der_writer, ec, ec_point

_CURVE = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"  # secp256r1
_ALGORITHM = b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01" + _CURVE  # id-ecPublicKey
_SIZE = const(32)


def parse(encoded):
    """Return (scalar, uncompressed point or None) of a P-256 key in DER (bytes-like).

    Raises KeyFault where it is another kind of key, damaged or out of range.
    """
    try:
        scalar, point = _parse(encoded)
    except DerError:
        raise KeyFault("this is no SEC 1 or PKCS #8 private key, or a damaged one")
    if not 0 < scalar < ec.P256.n:
        raise KeyFault("the private key is out of range")
    return scalar, point


def to_pkcs8(sec1):
    """Return the PKCS #8 DER (bytes) around a P-256 ECPrivateKey (DER bytes)."""
    return der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(0),
        _ALGORITHM,
        der_writer.tlv(der.OCTET_STRING, sec1),
    )


def _parse(encoded):
    """Return (scalar, public point or None)."""
    reader = der.sequence(encoded)
    version = reader.integer()
    if reader.peek() == der.SEQUENCE:  # PKCS #8; attributes and a public key may follow
        if bytes(reader.element(der.SEQUENCE)) != _ALGORITHM or version not in (0, 1):
            raise KeyFault("the private key is not a P-256 key")
        return _parse_sec1(der.sequence(reader.take(der.OCTET_STRING)))
    return _parse_sec1(der.sequence(encoded))


def _parse_sec1(reader):
    if reader.integer() != 1:
        raise DerError("EC: a private key of another version")
    octets = bytes(reader.take(der.OCTET_STRING))
    point = None
    curve = _CURVE
    if reader.peek() == der.CONSTRUCTED_CONTEXT:
        curve = bytes(reader.enter(der.CONSTRUCTED_CONTEXT).element())
    if reader.peek() == der.CONSTRUCTED_CONTEXT + 1:
        point = bytes(reader.enter(der.CONSTRUCTED_CONTEXT + 1).bit_string())
        ec_point.decode(ec.P256, point)
    reader.finish()
    if curve != _CURVE or len(octets) != _SIZE:
        raise KeyFault("the private key is not a P-256 key")
    return int.from_bytes(octets, "big"), point
