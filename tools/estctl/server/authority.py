"""The server's CA: a root, an issuing CA and the TLS certificate, as PEM files in a folder."""

import datetime
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEY_KINDS = ("p256", "p384", "rsa2048", "rsa4096")
_CMC_RA = ObjectIdentifier("1.3.6.1.5.5.7.3.28")  # id-kp-cmcRA (RFC 6402), for RFC 7030 3.6.1
_ROOT_DAYS, _ISSUING_DAYS, _SERVER_DAYS = 7300, 3650, 365
_BACKDATED = datetime.timedelta(minutes=5)  # a device's clock may run behind ours
# What a request may ask for and gets; everything else is left out.
_COPIED = (x509.SubjectAlternativeName, x509.KeyUsage, x509.ExtendedKeyUsage)


class RequestRefused(Exception):
    """The CA will not issue a certificate for a request; the text says why."""


@dataclass
class Pair:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: PrivateKey


class Authority:
    """Root, issuing CA and TLS certificate; made at the first use of a folder."""

    def __init__(self, folder: Path, key_kind: str, names: list[str], days: int) -> None:
        """Load or make them. key_kind: one of KEY_KINDS; names: of the TLS certificate; days:
        validity of what is issued."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._days = days
        self.root = self._load("root") or self._make_root(key_kind)
        self.issuing = self._load("issuing") or self._make_issuing(key_kind)
        self.server = self._load("server")
        if self.server is None or not _serves(self.server.certificate, names):
            self.server = self._make_server(names)
        self.anchors_file = folder / "root.pem"
        # What TLS sends: its certificate and the CA that issued it.
        self.chain_file = folder / "server-chain.pem"
        self.key_file = folder / "server.key"
        chain = [self.server.certificate, self.issuing.certificate]
        self.chain_file.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in chain))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate, hex."""
        return self.root.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(self, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return a device certificate for a request. Raises RequestRefused."""
        _check(request)
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.issuing.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + datetime.timedelta(days=self._days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        builder = _key_identifiers(builder, request.public_key(), self.issuing)
        for extension in request.extensions:
            if isinstance(extension.value, _COPIED):
                builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(self.issuing.key, _digest(self.issuing.key))

    def issued_by_us(self, certificate: x509.Certificate) -> bool:
        """Tell whether the issuing CA signed a certificate that is valid now."""
        try:
            certificate.verify_directly_issued_by(self.issuing.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        now = datetime.datetime.now(datetime.timezone.utc)
        return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc

    def _make_root(self, key_kind: str) -> Pair:
        key = _new_key(key_kind)
        name = _name("micropython-est development root CA")
        return self._save("root", _ca_certificate(name, key, name, key, None, _ROOT_DAYS), key)

    def _make_issuing(self, key_kind: str) -> Pair:
        key = _new_key(key_kind)
        name = _name("micropython-est development issuing CA")
        certificate = _ca_certificate(
            name, key, self.root.certificate.subject, self.root.key, 0, _ISSUING_DAYS
        )
        return self._save("issuing", certificate, key)

    def _make_server(self, names: list[str]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, _CMC_RA]
        builder = (
            _dated(_SERVER_DAYS)
            .subject_name(_name("micropython-est development server"))
            .issuer_name(self.issuing.certificate.subject)
            .public_key(key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        )
        builder = _key_identifiers(builder, key.public_key(), self.issuing)
        signed = builder.sign(self.issuing.key, _digest(self.issuing.key))
        return self._save("server", signed, key)

    def _load(self, name: str) -> Pair | None:
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        if not (certificate.exists() and key.exists()):
            return None
        private = load_pem_private_key(key.read_bytes(), None)
        assert isinstance(private, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey))
        return Pair(x509.load_pem_x509_certificate(certificate.read_bytes()), private)

    def _save(self, name: str, certificate: x509.Certificate, key: PrivateKey) -> Pair:
        encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(self._folder / f"{name}.key", encoded)
        (self._folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        return Pair(certificate, key)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _check(request: x509.CertificateSigningRequest) -> None:
    """Refuse what no device certificate may be."""
    if not request.is_signature_valid:
        raise RequestRefused("the request's signature is wrong: no proof of possession")
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < 2048:
            raise RequestRefused(f"RSA keys of {key.key_size} bits are too small")
    elif not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.key_size < 256:
        raise RequestRefused("only RSA keys and EC keys of 256 bits or more get a certificate")
    try:
        extensions = request.extensions
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        names = None
    except ValueError as error:
        raise RequestRefused(f"the request's extensions are malformed: {error}") from None
    if not list(request.subject) and not names:
        raise RequestRefused("the request has neither a subject nor a subjectAltName")
    for extension in extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise RequestRefused("a device gets no CA certificate")
        if isinstance(extension.value, x509.KeyUsage) and extension.value.key_cert_sign:
            raise RequestRefused("a device gets no keyCertSign")


def _serves(certificate: x509.Certificate, names: list[str]) -> bool:
    """Tell whether a TLS certificate is still good for these names."""
    now = datetime.datetime.now(datetime.timezone.utc)
    if certificate.not_valid_after_utc < now + datetime.timedelta(days=1):
        return False
    san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(san) == {_general_name(name) for name in names}


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _ca_certificate(
    subject: x509.Name,
    key: PrivateKey,
    issuer: x509.Name,
    issuer_key: PrivateKey,
    path_length: int | None,
    days: int,
) -> x509.Certificate:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _dated(days)
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
        )
    )
    return builder.sign(issuer_key, _digest(issuer_key))


def _dated(days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_identifiers(
    builder: x509.CertificateBuilder, key: Any, issuer: Pair
) -> x509.CertificateBuilder:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(key), False
    ).add_extension(authority, False)


def _new_key(kind: str) -> PrivateKey:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


def _digest(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size == 384:
        return hashes.SHA384()
    return hashes.SHA256()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
