"""Requests that obey CsrAttrs in each interpreter, read by `cryptography` (RFC 8951, RFC 9908)."""

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from probing import HOST_TESTS
from test_request import made

SHARED = HOST_TESTS.parent.parent / "shared/vectors"
TEMPLATE = bytes.fromhex("060b2a864886f70d010910023d")
EXTENSIONS = bytes.fromhex("060b2a864886f70d010910023e")
ACP = "rfc8994+fd739fc23c3440112233445500000000+@acp.example.com"


def vector(name):
    """Return the hex of a vector; skip the test where it is not here."""
    for folder in (HOST_TESTS / "vectors", SHARED):
        if (folder / name).exists():
            return Path(folder / name).read_bytes().hex()
    pytest.skip("../shared/vectors is not here")


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
    return bytes([tag]) + length + body


def wish(*parts):
    """Return the hex of CsrAttrs with a template of these parts."""
    whole = tlv(0x30, b"\x02\x01\x00", *parts)
    return tlv(0x30, tlv(0x30, TEMPLATE, tlv(0x31, whole))).hex()


def wanted(*extensions):
    """Return the part of a template that asks for these extensions (DER each)."""
    return tlv(0xA1, tlv(0x30, EXTENSIONS, tlv(0x31, tlv(0x30, *extensions))))


def refused(device, kind, **arguments):
    answer = device.pki({"do": "request", **arguments})[0]
    assert answer.get("class") == kind, answer
    return answer["error"]


def extension(request, kind):
    return request.extensions.get_extension_for_class(kind)


OWN = {"subject": "O=Acme,CN=pump 7", "san": ["dns:pump7.example", "ip:192.0.2.7"]}
KEY_USAGE = bytes.fromhex("30050603551d0f")


class TestTemplate:
    @pytest.mark.parametrize("name", ["", "-mixed"])
    def test_the_example_of_rfc_9908(self, device, name):
        if name:
            text = vector("rfc9908/template-CONSTRUCTED-mixed.csrattrs.b64")
            attributes = base64.b64decode(bytes.fromhex(text)).hex()
        else:
            attributes = vector("rfc9908/template-CONSTRUCTED.csrattrs.der")
        request = made(device, attributes=attributes, **OWN)
        assert request.is_signature_valid
        # O is the device's own and not in the template; CN has no value there, the OUs have.
        assert request.subject.rfc4514_string() == "OU=myGroup,OU=myDept,CN=pump 7"
        names = extension(request, x509.SubjectAlternativeName)
        assert names.value.get_values_for_type(x509.DNSName) == ["www.myServer.com"]
        addresses = names.value.get_values_for_type(x509.IPAddress)
        assert [str(address) for address in addresses] == ["192.0.2.7"] and not names.critical
        usage = extension(request, x509.KeyUsage)
        assert usage.critical and usage.value.digital_signature and usage.value.key_agreement
        extended = extension(request, x509.ExtendedKeyUsage)
        assert list(extended.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
        # challengePassword and ecdsa-with-SHA256 stand beside the template: ignored.
        assert len(list(request.attributes)) == 1

    def test_what_the_device_cannot_fill_in_is_named(self, device):
        attributes = vector("rfc9908/template-CONSTRUCTED.csrattrs.der")
        text = refused(device, "ConfigError", attributes=attributes, subject="O=x", san=OWN["san"])
        assert "CN in the subject" in text
        text = refused(device, "ConfigError", attributes=attributes, subject="CN=x")
        assert "subjectAltName ip:" in text
        unknown = wish(wanted(tlv(0x30, bytes.fromhex("06032a0304"))))
        text = refused(device, "ConfigError", attributes=unknown, **OWN)
        assert "1.2.3.4" in text
        names = wish(wanted(bytes.fromhex("30050603551d11")))
        assert "give san" in refused(device, "ConfigError", attributes=names, subject="CN=x")

    def test_own_usages_fill_extensions_without_a_value(self, device):
        attributes = wish(wanted(KEY_USAGE, bytes.fromhex("30080603551d250101ff")))
        own = {"key_usage": ["keyAgreement"], "ext_key_usage": ["serverAuth"]}
        request = made(device, attributes=attributes, subject="CN=x", **own)
        usage = extension(request, x509.KeyUsage)
        assert usage.value.key_agreement and not usage.value.digital_signature
        assert not usage.critical, "the flag is the server's"
        extended = extension(request, x509.ExtendedKeyUsage)
        assert list(extended.value) == [ExtendedKeyUsageOID.SERVER_AUTH] and extended.critical

    def test_what_is_usual_fills_extensions_without_a_value(self, device):
        kinds = [bytes.fromhex("30050603551d" + last) for last in ("0f", "13", "0e")]
        request = made(device, attributes=wish(wanted(*kinds)), subject="CN=x")
        assert extension(request, x509.KeyUsage).value.digital_signature
        assert not extension(request, x509.BasicConstraints).value.ca
        assert len(extension(request, x509.SubjectKeyIdentifier).value.digest) == 20

    @pytest.mark.parametrize("empty", ["a400", "a4023000"])
    def test_an_empty_directory_name_is_the_subject(self, device, empty):
        value = tlv(0x04, tlv(0x30, bytes.fromhex(empty)))
        names = tlv(0x30, bytes.fromhex("0603551d11"), value)
        request = made(device, attributes=wish(wanted(names)), subject="O=Acme,CN=x")
        found = extension(request, x509.SubjectAlternativeName).value
        assert found.get_values_for_type(x509.DirectoryName) == [request.subject]

    def test_a_names_own_extension_goes_in_where_the_template_has_none(self, device):
        request = made(device, attributes=wish(), **OWN)
        assert extension(request, x509.SubjectAlternativeName)
        assert request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)

    def test_parts_of_a_multi_valued_rdn_are_filled_in(self, device):
        parts = [tlv(0x30, bytes.fromhex("0603550403")), tlv(0x30, bytes.fromhex("0603550405"))]
        attributes = wish(tlv(0x30, tlv(0x31, *parts)))
        request = made(device, attributes=attributes, subject="serialNumber=7,CN=x")
        assert len(request.subject.rdns) == 1 and len(list(request.subject)) == 2

    def test_two_attributes_of_a_type_are_filled_in_order(self, device):
        gap = tlv(0x31, tlv(0x30, bytes.fromhex("060355040b")))
        attributes = wish(tlv(0x30, gap, gap))
        request = made(device, attributes=attributes, subject="OU=first,OU=second")
        assert [part.value for part in request.subject] == ["first", "second"]
        assert "OU" in refused(device, "ConfigError", attributes=attributes, subject="OU=first")

    def test_a_key_that_is_not_made_is_refused_by_name(self, device):
        rsa = bytes.fromhex("300d06092a864886f70d0101010500")
        modulus = tlv(0x02, b"\0\x80" + bytes(383))
        placeholder = tlv(0x03, b"\0" + tlv(0x30, modulus, b"\x02\x01\x03"))
        for algorithm, wanted_name in (
            (rsa + placeholder, "an RSA-3072 key"),
            (rsa, "an RSA key"),
            (bytes.fromhex("301006072a8648ce3d020106052b81040022"), "a P-384 key"),
            (bytes.fromhex("300506032b6570"), "an Ed25519 key"),
        ):
            attributes = wish(tlv(0xA0, algorithm))
            text = refused(device, "KeyFault", attributes=attributes, subject="CN=x")
            assert wanted_name in text and "P-256" in text

    def test_a_key_that_is_made_passes(self, device):
        p256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
        assert made(device, attributes=wish(tlv(0xA0, p256)), subject="CN=x")
        ec = bytes.fromhex("300906072a8648ce3d0201")
        assert made(device, attributes=wish(tlv(0xA0, ec)), subject="CN=x")

    def test_other_attributes_with_values_go_in_and_those_without_are_ignored(self, device):
        given = tlv(0x30, bytes.fromhex("06032a0304"), tlv(0x31, tlv(0x13, b"xyz")))
        bare = tlv(0x30, bytes.fromhex("06032a0305"), tlv(0x31))
        request = made(device, attributes=wish(tlv(0xA1, given, bare)), subject="CN=x")
        assert [each.value for each in request.attributes] == [b"xyz"]


class TestAdvice:
    """Without a template: RFC 7030 4.5.2 and RFC 8951 4."""

    def test_the_name_of_rfc_9908_5_1_goes_in_as_it_is(self, device):
        request = made(device, attributes=vector("rfc9908/csrattrs-5.1.der"), **OWN)
        names = extension(request, x509.SubjectAlternativeName)
        assert names.critical and len(list(names.value)) == 1
        other = names.value.get_values_for_type(x509.OtherName)[0]
        assert other.type_id.dotted_string == "1.3.6.1.5.5.7.8.10"
        assert other.value[2:].decode() == ACP
        assert request.subject.rfc4514_string() == "CN=pump 7,O=Acme"

    @pytest.mark.parametrize(
        "name",
        [
            "rfc7030/csrattrs.der",
            "rfc8951/csrattrs-4.5.2.der",
            "rfc9148/csrattrs.der",
            "rfc9908/csrattrs-5.2.der",
            "rfc9908/csrattrs-5.3.der",
            "rfc9908/csrattrs-5.5.der",
            "rfc9908/csrattrs-5.6.der",
        ],
    )
    def test_what_is_not_understood_and_other_curves_change_nothing(self, device, name):
        request = made(device, attributes=vector(name), **OWN)
        assert request.is_signature_valid
        assert request.subject.rfc4514_string() == "CN=pump 7,O=Acme"
        assert len(list(request.extensions)) == 1 and len(list(request.attributes)) == 1

    def test_a_server_for_rsa_alone_is_refused_by_name(self, device):
        attributes = vector("rfc9908/csrattrs-5.4.der")
        text = refused(device, "KeyFault", attributes=attributes, **OWN)
        assert "an RSA-4096 key" in text and "P-256" in text

    def test_a_kind_of_key_among_others_passes(self, device):
        attributes = tlv(
            0x30,
            tlv(0x30, bytes.fromhex("06092a864886f70d010101"), tlv(0x31, b"\x02\x02\x10\x00")),
            tlv(0x30, bytes.fromhex("06072a8648ce3d0201"), tlv(0x31)),
        ).hex()
        assert made(device, attributes=attributes, subject="CN=x")

    def test_an_extension_without_a_value_is_supplied_or_left_out(self, device):
        wanted_ = tlv(0x30, KEY_USAGE, tlv(0x30, bytes.fromhex("06032a0304")))
        attribute = tlv(0x30, bytes.fromhex("06092a864886f70d01090e"), tlv(0x31, wanted_))
        request = made(device, attributes=tlv(0x30, attribute).hex(), subject="CN=x")
        assert [each.oid.dotted_string for each in request.extensions] == ["2.5.29.15"]
