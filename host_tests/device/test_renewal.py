"""pki.renewal in each interpreter: what it writes, read by `cryptography` (RFC 7030 4.2.2)."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CHANGE_SUBJECT_NAME = ObjectIdentifier("1.3.6.1.5.5.7.7.36")
KEY = ec.generate_private_key(ec.SECP256R1())
# String types that the library itself would not choose: they have to stay as they are.
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Acme", _type=_ASN1Type.PrintableString),
        x509.NameAttribute(NameOID.COMMON_NAME, "pump 7", _type=_ASN1Type.T61String),
    ]
)
SAN = x509.SubjectAlternativeName(
    [x509.DNSName("pump7.example"), x509.DirectoryName(SUBJECT), x509.RegisteredID(NameOID.TITLE)]
)
USAGE = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


def certificate(*extensions, subject=SUBJECT):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(SUBJECT)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(False, None), True)
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(KEY, hashes.SHA256())


def renewed(device, old, **wish):
    wish["certificate"] = old.public_bytes(Encoding.DER).hex()
    answer = device.pki({"do": "renewal", **wish})[0]
    assert "ok" in answer, answer
    request = x509.load_der_x509_csr(bytes.fromhex(answer["ok"]))
    assert request.is_signature_valid
    return request


def test_names_are_those_of_the_certificate_octet_for_octet(device):
    old = certificate((SAN, True), (USAGE, False))
    request = renewed(device, old)
    assert request.subject.public_bytes() == old.subject.public_bytes()
    mine = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert mine.value.public_bytes() == SAN.public_bytes() and mine.critical
    kinds = [each.value for each in request.extensions]
    assert USAGE in kinds and len(kinds) == 2, "and no basicConstraints"
    assert request.public_key() != KEY.public_key(), "a new key, unless one is given"
    assert len(list(request.attributes)) == 1


def test_the_old_key_may_stay(device):
    key = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex()
    assert renewed(device, certificate(), key=key).public_key() == KEY.public_key()


@pytest.mark.parametrize(
    ("wish", "parts"),
    [
        ({"new_subject": "CN=a"}, ["300c310a300806035504030c0161"]),
        ({"new_san": ["dns:a.b"]}, ["30058203612e62"]),
        (
            {"new_subject": "CN=a", "new_san": ["dns:a.b"]},
            ["300c310a300806035504030c0161", "30058203612e62"],
        ),
        ({"new_subject": "", "new_san": ["dns:a.b"]}, ["3000", "30058203612e62"]),
    ],
)
def test_other_names_stand_in_change_subject_name(device, wish, parts):
    old = certificate((SAN, False))
    request = renewed(device, old, **wish)
    assert request.subject == old.subject, "which stays as it was (RFC 7030 4.2.2)"
    found = request.attributes.get_attribute_for_oid(CHANGE_SUBJECT_NAME)
    assert found.value.hex() == "".join(parts)


def test_a_certificate_of_names_alone(device):
    old = certificate((SAN, True), subject=x509.Name([]))
    assert list(renewed(device, old).subject) == []


def test_what_is_no_name_is_refused(device):
    old = certificate().public_bytes(Encoding.DER).hex()
    for wish, text in (({"new_subject": "pump"}, "NAME=value"), ({"new_san": ["x"]}, "dns:")):
        answer = device.pki({"do": "renewal", "certificate": old, **wish})[0]
        assert answer["class"] == "ConfigError" and text in answer["error"]


def test_a_truncated_certificate_is_refused(device):
    old = certificate((SAN, False)).public_bytes(Encoding.DER)
    sizes = (0, 1, 40, len(old) // 2, len(old) - 1)
    wishes = [{"do": "renewal", "certificate": old[:size].hex()} for size in sizes]
    for answer in device.pki(*wishes):
        assert answer["class"] == "DerError", answer
