"""Keys and certificates with `cryptography`: what the CA and the issuing of certificates share.

RFC 5280 4.2: which extensions a CA, a TLS server and a device carry, and which are critical.
"""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from estctl.server.settings import KeyKind, SettingsError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
ROOT_DAYS, ISSUING_DAYS, SERVER_DAYS = 7300, 3650, 365
CMC_RA = ObjectIdentifier("1.3.6.1.5.5.7.3.28")  # id-kp-cmcRA (RFC 6402), for RFC 7030 3.6.1
_BACKDATED = datetime.timedelta(minutes=5)  # a device's clock may run behind ours


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: PrivateKey

    def __repr__(self) -> str:
        return f"<Pair {self.certificate.subject.rfc4514_string()}>"


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def is_current(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is valid now."""
    return certificate.not_valid_before_utc <= now() <= certificate.not_valid_after_utc


def new_key(kind: KeyKind) -> PrivateKey:
    """Return a new private key."""
    if kind in (KeyKind.RSA2048, KeyKind.RSA4096):
        return rsa.generate_private_key(65537, 2048 if kind == KeyKind.RSA2048 else 4096)
    return ec.generate_private_key(ec.SECP384R1() if kind == KeyKind.P384 else ec.SECP256R1())


def kind_of(key: PrivateKey) -> KeyKind:
    """Return which kind a CA's key is. Raises SettingsError where it is none of them."""
    found = f"{'rsa' if isinstance(key, rsa.RSAPrivateKey) else 'p'}{key.key_size}"
    try:
        return KeyKind(found)
    except ValueError:
        raise SettingsError(f"a CA with a {found} key cannot be used here") from None


def self_signed(common_name: str, key: PrivateKey) -> x509.Certificate:
    """Return a root certificate."""
    return _ca(common_name, key, _name(common_name), key, None, ROOT_DAYS)


def subordinate(common_name: str, key: PrivateKey, root: Pair) -> x509.Certificate:
    """Return the certificate of a CA below the root that issues no further CA."""
    return _ca(common_name, key, root.certificate.subject, root.key, 0, ISSUING_DAYS)


def tls_server(
    common_name: str, key: ec.EllipticCurvePrivateKey, names: list[str], issuer: Pair
) -> x509.Certificate:
    """Return a TLS server certificate that also says id-kp-cmcRA (RFC 7030 3.6.1)."""
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, CMC_RA]
    builder = (
        end_entity(_name(common_name), key.public_key(), issuer, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName(general_names(names)), critical=False)
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    return sign(builder, issuer)


def end_entity(
    subject: x509.Name, key: PublicKey, issuer: Pair, days: int
) -> x509.CertificateBuilder:
    """Return the builder of a certificate that is no CA's; it ends no later than its issuer."""
    end = min(now() + datetime.timedelta(days=days), issuer.certificate.not_valid_after_utc)
    return (
        _begun(subject, key, issuer.certificate.subject, issuer.key)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )


def sign(builder: x509.CertificateBuilder, issuer: Pair) -> x509.Certificate:
    """Return the certificate, signed by its issuer."""
    return builder.sign(issuer.key, _digest(issuer.key))


def general_names(names: list[str]) -> list[x509.GeneralName]:
    """Return DNS names and IP addresses as subjectAltName has them."""
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ca(
    common_name: str,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    path_length: int | None,
    days: int,
) -> x509.Certificate:
    builder = (
        _begun(_name(common_name), key.public_key(), issuer, issuer_key)
        .not_valid_after(now() + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return builder.sign(issuer_key, _digest(issuer_key))


def _begun(
    subject: x509.Name, key: PublicKey, issuer: x509.Name, issuer_key: PrivateKey
) -> x509.CertificateBuilder:
    """Return a builder with all that every certificate has, but the end of its validity."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _BACKDATED)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(authority, critical=False)
    )


def _key_usage(digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    """Return the hash as strong as the key."""
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size == 384:
        return hashes.SHA384()
    return hashes.SHA256()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
