"""How a CA signs: with the hash that fits its key, or as a scenario wants it."""

from dataclasses import dataclass
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
# In DER: sha256WithRSAEncryption and sha1WithRSAEncryption (RFC 8017 A.2.4) are as long.
_RSA_SHA256 = bytes.fromhex("06092a864886f70d01010b")
_RSA_SHA1 = bytes.fromhex("06092a864886f70d010105")


class Scheme(Enum):
    """A way to sign."""

    USUAL = "ECDSA, or RSA with PKCS #1 v1.5 padding"
    PSS = "RSASSA-PSS with SHA-256"
    SHA1 = "RSA with PKCS #1 v1.5 padding and SHA-1"


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key, and how that signs what is below it."""

    certificate: x509.Certificate
    key: PrivateKey
    scheme: Scheme = Scheme.USUAL

    def __repr__(self) -> str:
        return f"<Pair {self.certificate.subject.rfc4514_string()}>"

    @property
    def public_key(self) -> PublicKey:
        """The public key of the certificate; a forger's private key is another's."""
        found = self.certificate.public_key()
        if not isinstance(found, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
            raise TypeError(f"{self!r} has neither an EC nor an RSA key")
        return found


def sign(builder: x509.CertificateBuilder, issuer: Pair) -> x509.Certificate:
    """Return the certificate, signed by its issuer."""
    if issuer.scheme == Scheme.PSS:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return builder.sign(issuer.key, hashes.SHA256(), rsa_padding=pss)
    made = builder.sign(issuer.key, digest(issuer.key))
    if issuer.scheme == Scheme.SHA1 and isinstance(issuer.key, rsa.RSAPrivateKey):
        return _with_sha1(made, issuer.key)
    return made


def digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash as strong as the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size == 384:
        return hashes.SHA384()
    return hashes.SHA256()


def _with_sha1(certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> x509.Certificate:
    """Return a certificate signed anew with SHA-1, which `cryptography` no longer does itself."""
    signed = certificate.tbs_certificate_bytes.replace(_RSA_SHA256, _RSA_SHA1, 1)
    signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA1())
    # Everything is as long as it was: the parts can be put in place of the old ones.
    der = certificate.public_bytes(Encoding.DER)
    start = der.index(certificate.tbs_certificate_bytes)
    between = der[start + len(signed) : -len(signature)].replace(_RSA_SHA256, _RSA_SHA1, 1)
    return x509.load_der_x509_certificate(der[:start] + signed + between + signature)
