"""pki.csr in each interpreter: what it writes, read by `cryptography` and by OpenSSL."""

import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

SUBJECT = "C=CH,O=Acme,OU=Pumps,serialNumber=7,CN=pump 7 Zürich"


def made(device, **wish):
    answer = device.pki({"do": "request", **wish})[0]
    assert "ok" in answer, answer
    return x509.load_der_x509_csr(bytes.fromhex(answer["ok"]))


def refused(device, **wish):
    answer = device.pki({"do": "request", **wish})[0]
    assert answer["class"] == "ConfigError", answer
    return answer["error"]


def test_subject_names_and_usages(device, tmp_path):
    request = made(
        device,
        subject=SUBJECT,
        san=["dns:pump7.example", "ip:192.0.2.7", "ip:2001:db8::7", "uri:urn:x:7", "email:a@b.ch"],
        key_usage=["digitalSignature", "keyAgreement"],
        ext_key_usage=["clientAuth", "1.3.6.1.5.5.7.3.28"],
    )
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=pump 7 Zürich,2.5.4.5=7,OU=Pumps,O=Acme,C=CH"
    found = request.extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["pump7.example"]
    addresses = [str(a) for a in names.value.get_values_for_type(x509.IPAddress)]
    assert addresses == ["192.0.2.7", "2001:db8::7"]
    assert names.value.get_values_for_type(x509.RFC822Name) == ["a@b.ch"]
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == ["urn:x:7"]
    assert not names.critical
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and usage.value.key_agreement
    assert not usage.value.key_cert_sign
    extended = found.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert extended == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH, x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")]
    )
    path = tmp_path / "request.pem"
    path.write_bytes(request.public_bytes(Encoding.PEM))
    done = subprocess.run(
        ["openssl", "req", "-in", path, "-verify", "-noout", "-text"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "verify OK" in done.stderr + done.stdout
    assert "prime256v1" in done.stdout


def test_a_hardware_module_name(device):
    request = made(device, subject="CN=x", san=["hwmodule:1.3.6.1.4.1.6715.10.1:01020304"])
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    other = names.get_values_for_type(x509.OtherName)[0]
    assert other.type_id.dotted_string == "1.3.6.1.5.5.7.8.4"
    # As the certificate of RFC 9148 A.2 has it.
    assert other.value == bytes.fromhex("301106092b06010401b43b0a01040401020304")


def test_an_empty_subject_makes_the_names_critical(device):
    request = made(device, subject="", san=["dns:pump7.example"])
    assert list(request.subject) == []
    assert request.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_without_extensions_there_are_no_attributes(device):
    request = made(device, subject="CN=x")
    assert list(request.attributes) == []


def test_extensions_that_the_server_gives_are_added_where_none_is_named(device):
    attributes = _csrattrs(
        x509.KeyUsage(True, *[False] * 8), x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    )
    request = made(device, subject="CN=x", attributes=attributes)
    assert len(list(request.extensions)) == 2
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature


def test_extensions_that_the_server_gives_replace_those_that_are_named(device):
    attributes = _csrattrs(x509.KeyUsage(True, *[False] * 8))
    wish = {"key_usage": ["keyAgreement"], "san": ["dns:pump7.example"]}
    both = made(device, subject="CN=x", attributes=attributes, **wish)
    usage = both.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature and not usage.key_agreement, "the CA knows what it certifies"
    assert both.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def _csrattrs(*extensions):
    """Return the hex of CsrAttrs with an extensionRequest, cut out of a request."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for extension in extensions:
        builder = builder.add_extension(extension, False)
    key = ec.generate_private_key(ec.SECP256R1())
    der = builder.sign(key, hashes.SHA256()).tbs_certrequest_bytes
    at = der.index(bytes.fromhex("06092a864886f70d01090e")) - 2
    attribute = der[at:]
    return (bytes([0x30, len(attribute)]) + attribute).hex()


def test_arguments_that_make_no_request(device):
    assert "subject or a subjectAltName" in refused(device, subject="")
    assert "digitalSignature" in refused(device, subject="CN=x", key_usage=["sign"])
    assert "object identifier" in refused(device, subject="CN=x", ext_key_usage=["web"])
    assert "not an IP address" in refused(device, subject="CN=x", san=["ip:1.2.3"])
