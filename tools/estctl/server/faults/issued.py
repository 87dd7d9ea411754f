"""Certificates that are well signed, and wrong: for another key, of a CA, of another time.

RFC 5280 4.1.2.5: 99991231235959Z is how a CA says "no well-defined expiration date" (an IDevID of
IEEE 802.1AR has it), so a certificate for 8,000 years is right; a client takes it, and what ends
it is the validity of the CAs above it. One that ends before it begins is valid at no time.
"""

import datetime
from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from pki import der, der_writer

from estctl.server import certificates
from estctl.server.certificates import Validity
from estctl.server.faults.line import Fault
from estctl.server.scenarios import making
from estctl.server.signing import Pair, PublicKey, digest, sign

_UTC_TIME = 0x17
# What the builders add themselves; keyUsage of a CA is another one.
_MADE = (
    x509.BasicConstraints,
    x509.SubjectKeyIdentifier,
    x509.AuthorityKeyIdentifier,
    x509.KeyUsage,
)
_NEVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)


def _like(
    true: x509.Certificate,
    issuer: Pair,
    key: PublicKey | None = None,
    validity: Validity | None = None,
    ca: bool = False,
) -> x509.Certificate:
    """Return a certificate as another one, but for what is given; no keyUsage but a CA's."""
    validity = validity or Validity(true.not_valid_before_utc, true.not_valid_after_utc)
    public = key or replace(issuer, certificate=true).public_key
    if ca:
        builder = certificates.subordinate(true.subject, public, issuer, 0, validity)
    else:
        builder = certificates.end_entity(true.subject, public, issuer, validity)
    for extension in true.extensions:
        if not isinstance(extension.value, _MADE):
            builder = builder.add_extension(extension.value, extension.critical)
    return sign(builder, issuer)


def _other_key(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    return _like(true, issuer, key=making.new_key().public_key())


def _of_a_ca(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    return _like(true, issuer, ca=True)


def _expired(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    return _like(
        true, issuer, validity=Validity(certificates.in_days(-9), certificates.in_days(-2))
    )


def _not_yet(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    return _like(true, issuer, validity=Validity(certificates.in_days(2), certificates.in_days(9)))


def _for_ever(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    return _like(true, issuer, validity=Validity(true.not_valid_before_utc, _NEVER))


def _reversed(true: x509.Certificate, issuer: Pair) -> x509.Certificate:
    """Let it end before it begins, which `cryptography` makes for nobody: the times change places
    in its octets, and those are signed anew."""
    begin, end = (
        der_writer.tlv(_UTC_TIME, when.strftime("%y%m%d%H%M%SZ").encode())
        for when in (true.not_valid_before_utc, true.not_valid_after_utc)
    )
    signed = true.tbs_certificate_bytes.replace(begin + end, end + begin, 1)
    assert signed != true.tbs_certificate_bytes
    if isinstance(issuer.key, ec.EllipticCurvePrivateKey):
        signature = issuer.key.sign(signed, ec.ECDSA(digest(issuer.key)))
    else:
        signature = issuer.key.sign(signed, padding.PKCS1v15(), digest(issuer.key))
    parts = der.sequence(true.public_bytes(Encoding.DER))
    parts.element()
    algorithm = parts.element()
    bits = der_writer.tlv(der.BIT_STRING, b"\0" + signature)
    return x509.load_der_x509_certificate(der_writer.tlv(der.SEQUENCE, signed, algorithm, bits))


FAULTS = (
    Fault("other-key", "the certificate is for another device's key", forge=_other_key),
    Fault("ca-certificate", "the device's certificate is one of a CA", forge=_of_a_ca),
    Fault("reversed-validity", "the certificate ends before it begins", forge=_reversed),
    Fault("expired-certificate", "the certificate has ended", forge=_expired),
    Fault("not-yet-certificate", "the certificate begins in two days", forge=_not_yet),
    Fault(
        "10000-years", "the certificate ends at 99991231235959Z: nothing wrong", forge=_for_ever
    ),
)
