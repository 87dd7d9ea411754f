"""estctl reenroll --new-subject and --new-san, and the development server's side of it."""

import base64
import subprocess

import pytest
from commands import estctl, openssl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import ObjectIdentifier

CHANGE_SUBJECT_NAME = ObjectIdentifier("1.3.6.1.5.5.7.7.36")


@pytest.fixture
def renew(server, tmp_path):
    """A function that renews a certificate of CN=pump with these options."""
    out = ["--out-cert", tmp_path / "dev.pem", "--out-key", tmp_path / "dev.key"]
    names = ["--subject", "CN=pump", "--san", "dns:pump.example"]
    done = estctl("enroll", "--json", *server.at, *server.credential, *names, *out)
    assert done.status == 0, done.err

    def renew(*options):
        mine = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
        return estctl(
            "reenroll", "--json", *server.at, *mine, "--out-cert", tmp_path / "new.pem", *options
        )

    return renew


@pytest.mark.parametrize(
    ("options", "subject", "san"),
    [
        ((), "CN=pump", "DNS:pump.example"),
        (("--new-subject", "O=Acme,CN=pump 8"), "O=Acme,CN=pump 8", "DNS:pump.example"),
        (("--new-san", "dns:pump8.example,ip:192.0.2.8"), "CN=pump", "DNS:pump8.example"),
        (
            ("--new-subject", "CN=x", "--new-san", "dns:x.example"),
            "CN=x",
            "DNS:x.example",
        ),
        (("--new-subject", ""), "", "critical\n                DNS:pump.example"),
    ],
)
def test_the_names_of_the_renewed_certificate(renew, tmp_path, options, subject, san):
    done = renew(*options)
    assert done.status == 0, done.err
    assert done.json["subject"] == subject
    text = openssl("x509", "-in", tmp_path / "new.pem", "-noout", "-text")
    assert san in text and text.count("pump.example") == (san.count("pump.example"))


def test_with_a_new_key_and_a_new_name(renew, tmp_path):
    done = renew("--rekey", "--out-key", tmp_path / "new.key", "--new-subject", "CN=other")
    assert done.status == 0 and done.json["subject"] == "CN=other"


def test_no_name_at_all_is_refused_by_the_server(server, tmp_path):
    out = ["--out-cert", tmp_path / "dev.pem", "--out-key", tmp_path / "dev.key"]
    assert (
        estctl(
            "enroll", "--json", *server.at, *server.credential, "--subject", "CN=x", *out
        ).status
        == 0
    )
    mine = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
    out = ["--out-cert", tmp_path / "new.pem"]
    done = estctl("reenroll", "--json", *server.at, *mine, *out, "--new-subject", "")
    assert done.status == 1 and "neither a subject nor" in done.json["error"], done.err


@pytest.mark.parametrize("value", [b"", b"\x30", b"\x30\x02\x05\x00", b"\x30\x00\x30\x00\x30\x00"])
def test_a_damaged_attribute_is_refused_by_the_server(renew, server, tmp_path, value):
    key = load_pem_private_key((tmp_path / "dev.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    old = x509.load_pem_x509_certificate((tmp_path / "dev.pem").read_bytes())
    names = old.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    builder = x509.CertificateSigningRequestBuilder().subject_name(old.subject)
    builder = builder.add_extension(names, False)
    builder = builder.add_attribute(CHANGE_SUBJECT_NAME, value, _tag=_ASN1Type.UTF8String)
    body = base64.encodebytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    (tmp_path / "body").write_bytes(body)
    done = subprocess.run(
        [
            "curl",
            "-s",
            "--max-time",
            "20",
            "--cacert",
            server.anchors,
            "--cert",
            tmp_path / "dev.pem",
            "--key",
            tmp_path / "dev.key",
            "-H",
            "Content-Type: application/pkcs10",
            "--data-binary",
            f"@{tmp_path / 'body'}",
            server.url + "/.well-known/est/simplereenroll",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ChangeSubjectName" in done.stdout and done.stdout.count("\n") == 1
