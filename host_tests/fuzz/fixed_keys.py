"""Two keys that are always the same, so that a failure can be repeated: P-256 and RSA-2048."""

from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_P = int(
    "dbc39ead5bf64736ac3ae0dec8744fff897d775e293826690fcab9339029278d84c15eaf6098d6074d1437"
    "9edc4ee331c274d411f2dcb581e43a669c6e250ba8d30db97de8ccb0ba899656269ac95f58e1b270f88566"
    "1ba64f65db117f893ea86db6e02ee0b08061034e553995c6bb93f024e9bdf737fde76c8935e2604effb3",
    16,
)
_Q = int(
    "d19a6b50d33927bd7a59e32d68b3b505aaa37993d76b34c33d4b69269cb2ba6ebf235fbae1e0a165666c13"
    "207515cfa97957fc767940d4cc15fd88d3f395d3ee6f6271db742c8a5d5905b1abac2a82cc06be33b020ef"
    "a64f8b14dd2f50b35efab02db2196466b8a464abedc387dd5f8f967752c8258f894b3e186fa2338c5677",
    16,
)


class FixedKey(NamedTuple):
    """spki: SubjectPublicKeyInfo; forms: the private key as PKCS #8 and as SEC 1 or PKCS #1."""

    spki: bytes
    forms: list[bytes]


def _fixed(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> FixedKey:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    return FixedKey(
        spki, [key.private_bytes(Encoding.DER, form, NoEncryption()) for form in forms]
    )


def _rsa() -> rsa.RSAPrivateKey:
    public = rsa.RSAPublicNumbers(65537, _P * _Q)
    d = pow(65537, -1, (_P - 1) * (_Q - 1))
    crt = (d % (_P - 1), d % (_Q - 1), pow(_Q, -1, _P))
    return rsa.RSAPrivateNumbers(_P, _Q, d, *crt, public).private_key()


P256 = _fixed(ec.derive_private_key(7, ec.SECP256R1()))
RSA = _fixed(_rsa())
