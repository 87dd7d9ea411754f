"""What the server refuses, and that it says why in one line of text."""

import base64
import binascii
import contextlib
import sqlite3

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"not base64!", "not base64"),
        (b"AAA", "not base64"),
        (b"AAAA\n", "no PKCS #10"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n", "without armour"),
        (b"\x30\x82\x01\x00\x00", "bare DER"),
    ],
)
def test_bodies_that_are_no_request(server, body, text):
    answer = server.enroll(body)
    assert answer.status == 400 and text in answer.reason


def test_a_body_in_another_coding_than_it_says(server):
    answer = server.enroll(b"plain", "--header", "Content-Encoding: gzip")
    assert answer.status == 400 and "coding" in answer.reason
    assert "Traceback" not in server.log


def test_what_cannot_be_recorded_is_not_issued(start, desk):
    server = start()
    with contextlib.closing(sqlite3.connect(server.folder / "issued.sqlite")) as database:
        database.execute("DROP TABLE issued")
    answer = server.enroll(desk.request("/CN=pump"))
    assert answer.status == 503 and "cannot be recorded" in answer.reason
    assert "Traceback" not in server.log and server.log.count("simpleenroll 503") == 1


def test_a_damaged_request(server, desk):
    der = bytearray(base64.b64decode(desk.request("/CN=pump")))
    der[-1] ^= 1
    answer = server.enroll(base64.b64encode(der))
    assert answer.status == 400 and "proof of possession" in answer.reason
    version = der.index(b"\x02\x01\x00") + 2
    der[version] = 67
    answer = server.enroll(base64.b64encode(der))
    assert answer.status == 400 and "no PKCS #10" in answer.reason


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_other_content_types(server, desk, kind):
    answer = server.enroll(desk.request("/CN=x"), "--header", f"Content-Type: {kind}".strip())
    assert answer.status == 415 and "application/pkcs10" in answer.reason


def test_parameters_and_case_of_the_content_type_do_not_matter(server, desk):
    kind = "Content-Type: Application/PKCS10; charset=us-ascii"
    assert server.enroll(desk.request("/CN=x"), "--header", kind).status == 200


def test_base64_in_any_shape(server, desk):
    flat = b"".join(desk.request("/CN=x").split())
    wrapped = b"\r\n".join(flat[at : at + 76] for at in range(0, len(flat), 76))
    for body in (flat, wrapped, b"\t" + wrapped + b"\r\n \n"):
        assert server.enroll(body).status == 200
    chunked = server.enroll(flat, "--header", "Transfer-Encoding: chunked")
    assert chunked.status == 200


def test_a_body_beyond_the_limit(server):
    answer = server.enroll(b"A" * 70_000)
    assert answer.status == 413 and "65536" in answer.reason


@pytest.mark.parametrize(
    ("subject", "more", "text"),
    [
        ("/CN=x", ["-addext", "basicConstraints=CA:TRUE"], "no CA certificate"),
        ("/CN=x", ["-addext", "keyUsage=keyCertSign"], "no keyCertSign"),
        ("/CN=x", ["-addext", "keyUsage=cRLSign"], "no cRLSign"),
        ("/CN=x", ["-addext", "extendedKeyUsage=1.3.6.1.5.5.7.3.28"], "no id-kp-cmcRA"),
        ("/CN=x", ["-addext", "extendedKeyUsage=clientAuth,OCSPSigning"], "no OCSPSigning"),
        ("/CN=x", ["-addext", "extendedKeyUsage=anyExtendedKeyUsage"], "no anyExtendedKeyUsage"),
        ("/CN=x", ["-addext", "subjectAltName=DER:300382017a7a"], "cannot be used"),
        ("/", [], "neither a subject"),
        ("/CN=x", ["-sha1"], "sha1"),
    ],
)
def test_requests_that_get_no_certificate(server, desk, subject, more, text):
    answer = server.enroll(desk.request(subject, *more))
    assert answer.status == 400 and text in answer.reason, answer


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (("-newkey", "rsa:1024"), "1024 bits"),
        (("-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"), "exponents"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-224"), "only RSA keys"),
        (("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "only RSA keys"),
    ],
)
def test_weak_and_odd_keys(server, desk, key, text):
    answer = server.enroll(desk.request("/CN=x", key=key))
    assert answer.status == 400 and text in answer.reason, answer


def test_keys_and_extensions_that_openssl_does_not_make(server):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    der = builder.sign(ed25519.Ed25519PrivateKey.generate(), None).public_bytes(Encoding.DER)
    assert "only RSA keys" in server.enroll(base64.b64encode(der)).reason
    # The same extension twice: OpenSSL refuses to write it.
    san = x509.SubjectAlternativeName([x509.DNSName("x.example")])
    twice = builder.add_extension(san, False)
    twice._extensions.append(twice._extensions[0])
    der = twice.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    answer = server.enroll(binascii.b2a_base64(der.public_bytes(Encoding.DER)))
    assert answer.status == 400 and "cannot be used" in answer.reason


def test_unknown_operations(server):
    for path in ("nothing", "serverkeygen2", "fullcmc2", "cacerts/", "../est2/cacerts"):
        answer = server.curl(path, "--path-as-is")
        assert answer.status == 404 and answer.reason


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "cacerts", "GET"),
        ("DELETE", "cacerts", "GET"),
        ("PUT", "factory/cacerts", "GET"),
        ("POST", "csrattrs", "GET"),
        ("GET", "simpleenroll", "POST"),
        ("PUT", "simplereenroll", "POST"),
        ("GET", "serverkeygen", "POST"),
    ],
)
def test_other_methods(server, method, path, allowed):
    answer = server.curl(path, "--request", method)
    assert answer.status == 405 and answer.headers["allow"] == allowed and answer.reason


def test_head(server):
    assert server.curl("cacerts", "--head").status == 405


class TestLabels:
    def test_any_label_by_default(self, server, desk):
        assert server.curl("factory/cacerts").status == 200
        answer = server.enroll(desk.request("/CN=x"), path="factory/simpleenroll")
        assert answer.status == 200

    def test_operations_are_no_labels(self, server):
        for path in ("cacerts/cacerts", "a/simpleenroll/cacerts", "a//cacerts"):
            assert server.curl(path).status == 404

    def test_only_those_given(self, start, desk):
        server = start("--label", "factory", "--label", "a/b")
        for path, status in (
            ("cacerts", 200),
            ("factory/cacerts", 200),
            ("a/b/cacerts", 200),
            ("a/cacerts", 404),
            ("other/cacerts", 404),
            ("Factory/cacerts", 404),
        ):
            assert server.curl(path).status == status, path
        answer = server.enroll(desk.request("/CN=x"), path="other/simpleenroll")
        assert answer.status == 404 and "label" in answer.reason
