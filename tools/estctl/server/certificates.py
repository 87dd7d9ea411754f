"""Keys and certificates with `cryptography`: what the CA and the issuing of certificates share.

RFC 5280 4.2: which extensions a CA, a TLS server and a device carry, and which are critical.
"""

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from estctl.server.settings import KeyKind, SettingsError
from estctl.server.signing import Pair, PrivateKey, PublicKey, digest

ROOT_DAYS, ISSUING_DAYS, SERVER_DAYS = 7300, 3650, 365
CMC_RA = ObjectIdentifier("1.3.6.1.5.5.7.3.28")  # id-kp-cmcRA (RFC 6402), for RFC 7030 3.6.1
TLS_USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, CMC_RA)
_BACKDATED = datetime.timedelta(minutes=5)  # a device's clock may run behind ours


@dataclass(frozen=True)
class Validity:
    """When a certificate begins and ends, in UTC."""

    begin: datetime.datetime
    end: datetime.datetime


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def serial_text(certificate: x509.Certificate) -> str:
    """Return a serial number in hex as devices show it: the octets of its DER INTEGER."""
    number = certificate.serial_number
    return number.to_bytes(number.bit_length() // 8 + 1, "big").hex()


def in_days(days: float) -> datetime.datetime:
    """Return the time in so many days, in UTC."""
    return now() + datetime.timedelta(days=days)


def lasting(days: int, issuer: Pair | None = None) -> Validity:
    """Return a validity from now on that ends no later than the issuer's."""
    end = in_days(days)
    if issuer:
        end = min(end, issuer.certificate.not_valid_after_utc)
    return Validity(now() - _BACKDATED, end)


def is_current(certificate: x509.Certificate) -> bool:
    """Tell whether a certificate is valid now."""
    return certificate.not_valid_before_utc <= now() <= certificate.not_valid_after_utc


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate names an issuer and has its signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


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


def named(common_name: str) -> x509.Name:
    """Return a name of a common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def self_signed(name: x509.Name, key: PrivateKey, validity: Validity | None = None) -> Pair:
    """Return a root: its certificate and its key."""
    public = key.public_key()
    builder = _begun(name, public, name, public, validity or lasting(ROOT_DAYS))
    builder = _for_ca(builder, None)
    return Pair(builder.sign(key, digest(key)), key)


def subordinate(
    name: x509.Name,
    key: PublicKey,
    issuer: Pair,
    path_length: int | None = 0,
    validity: Validity | None = None,
) -> x509.CertificateBuilder:
    """Return the builder of a CA below another; path length 0: it issues no further CA."""
    lasts = validity or lasting(ISSUING_DAYS, issuer)
    subject = issuer.certificate.subject
    return _for_ca(_begun(name, key, subject, issuer.public_key, lasts), path_length)


def tls_server(
    name: x509.Name,
    key: PublicKey,
    names: Sequence[str],
    issuer: Pair,
    usages: Sequence[ObjectIdentifier] = TLS_USAGES,
    validity: Validity | None = None,
) -> x509.CertificateBuilder:
    """Return the builder of a TLS server that also says id-kp-cmcRA (RFC 7030 3.6.1)."""
    builder = (
        end_entity(name, key, issuer, validity or lasting(SERVER_DAYS, issuer))
        .add_extension(_key_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    if names:
        san = x509.SubjectAlternativeName(general_names(names))
        builder = builder.add_extension(san, critical=False)
    return builder


def end_entity(
    subject: x509.Name, key: PublicKey, issuer: Pair, validity: Validity
) -> x509.CertificateBuilder:
    """Return the builder of a certificate that is no CA's."""
    return _begun(
        subject, key, issuer.certificate.subject, issuer.public_key, validity
    ).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Return DNS names and IP addresses as subjectAltName has them."""
    return [_general_name(name) for name in names]


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _for_ca(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    usage = _key_usage(signs_certificates=True)
    return builder.add_extension(constraints, critical=True).add_extension(usage, critical=True)


def _begun(
    subject: x509.Name,
    key: PublicKey,
    issuer: x509.Name,
    issuer_key: PublicKey,
    validity: Validity,
) -> x509.CertificateBuilder:
    """Return a builder with all that every certificate has."""
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.begin)
        .not_valid_after(validity.end)
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
