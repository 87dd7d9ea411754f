"""Certs-only messages and requests for the tests, made by `cryptography`."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.x509.oid import NameOID


def certs_only(*ders: bytes) -> bytes:
    """Return the base64 of a certs-only PKCS #7 message."""
    certificates = [x509.load_der_x509_certificate(der) for der in ders]
    return base64.encodebytes(pkcs7.serialize_certificates(certificates, Encoding.DER))


def request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return the DER of a PKCS #10 request."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def issue(ca, public_key, is_ca=False, days=30, name="pump") -> bytes:
    """Return the DER of a certificate that a trustme.CA's key signed."""
    authority = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    now = datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) if name else None
    subject = subject or authority.subject  # no name: a self-issued certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(is_ca, None), True)
    )
    key = load_pem_private_key(ca.private_key_pem.bytes(), None)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
