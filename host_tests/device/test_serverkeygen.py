"""est.Client.serverkeygen on each interpreter: what must work, and every answer that must fail."""

import base64
import hashlib
import logging
import ssl
import subprocess

import pytest
import trustme
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from made_keys import rsa_key
from probing import LIMITS, der
from scripted_server import ScriptedServer, answers, response

CSR = request(ec.generate_private_key(ec.SECP256R1()))
KEY = ec.generate_private_key(ec.SECP256R1())
TYPE = "multipart/mixed ; boundary=estServerExampleBoundary"  # spelled as libest does
KEY_TYPE, CERT_TYPE = "application/pkcs8", "application/pkcs7-mime; smime-type=certs-only"
ENCRYPTED_TYPE = "application/pkcs7-mime; smime-type=server-generated-key"
KEK = bytes(range(32))
SHARED = ["aabb", KEK.hex()]


def octets(key, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def part(kind, text):
    return (
        b"--estServerExampleBoundary\r\nContent-Type: "
        + kind.encode()
        + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + text
        + b"\r\n"
    )


def multipart(*parts, end=b"--estServerExampleBoundary--\r\n"):
    return b"This is the preamble.\r\n" + b"".join(part(*each) for each in parts) + end


def key_part(encoded, kind=KEY_TYPE):
    return kind, base64.encodebytes(encoded)


@pytest.fixture(scope="module")
def certificate(ca):
    """The certs-only part of a certificate for KEY."""
    return CERT_TYPE, certs_only(issue(ca, KEY.public_key()))


@pytest.fixture
def ask(device, context, anchor):
    """Ask a server that sends this body; return the outcome."""

    def ask(body, content_type=TYPE, **more):
        script = answers(response(certs_only(anchor)), response(body, "200 OK", content_type))
        with ScriptedServer(script, context) as server:
            went = device.run("serverkeygen", port=server.port, anchors=[anchor], csr=CSR, **more)
        assert len(server.requests) == 2
        sent = server.requests[1]
        assert sent.head.startswith("POST /.well-known/est/serverkeygen HTTP/1.1")
        assert sent.header("content-type") == "application/pkcs10"
        return went

    return ask


def fails(outcome, kind, *texts):
    assert outcome.get("class") == kind, outcome
    assert outcome["step"] == "serverkeygen"
    for text in texts:
        assert text in outcome["error"], outcome
    assert octets(KEY).hex()[100:140] not in str(outcome)
    assert outcome["seconds"] < sum(LIMITS.values()) + 5


def enveloped(folder, *options, content=None):
    """Return EnvelopedData around KEY, by OpenSSL."""
    (folder / "plain").write_bytes(octets(KEY) if content is None else content)
    command = ["openssl", "cms", "-encrypt", "-binary", "-outform", "DER", "-in"]
    command += [folder / "plain", *options]
    done = subprocess.run([str(each) for each in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_shared_key(folder, **more):
    return enveloped(
        folder, "-aes-256-cbc", "-secretkey", KEK.hex(), "-secretkeyid", "aabb", **more
    )


def recipient(folder, key):
    (folder / "recipient.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    command = ["openssl", "req", "-x509", "-new", "-key", folder / "recipient.key"]
    command += ["-subj", "/CN=recipient", "-out", folder / "recipient.pem"]
    subprocess.run([str(each) for each in command], capture_output=True, check=True)
    return folder / "recipient.pem"


class TestPlainKeys:
    def test_a_key_and_its_certificate_on_one_connection(self, ask, certificate, ca):
        went = ask(multipart(key_part(octets(KEY)), certificate))
        assert went.get("results"), went
        key, issued = went["results"][0]
        assert key == octets(KEY).hex() and went["handshakes"] == 1
        assert bytes.fromhex(issued) in base64.b64decode(certificate[1])

    def test_the_parts_in_the_other_order_on_one_line_with_lf(self, ask, certificate):
        parts = [certificate, key_part(octets(KEY))]
        body = multipart(*((kind, text.replace(b"\n", b"")) for kind, text in parts))
        went = ask(body.replace(b"\r\n", b"\n"), 'Multipart/Mixed;Boundary="' + TYPE[27:] + '"')
        assert went.get("results"), went
        assert went["results"][0][0] == octets(KEY).hex()

    @pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
    def test_an_rsa_key_also_as_pkcs_1_which_libest_sends(self, ask, ca, form):
        key = rsa_key(4096 if form != "PKCS8" else 2048)
        part = CERT_TYPE, certs_only(issue(ca, key.public_key()))
        went = ask(multipart(key_part(octets(key, getattr(PrivateFormat, form))), part))
        assert went.get("results"), went
        assert went["results"][0][0] == octets(key).hex()

    def test_a_sec_1_key(self, ask, certificate):
        went = ask(multipart(key_part(octets(KEY, PrivateFormat.TraditionalOpenSSL)), certificate))
        assert went.get("results"), went
        found = load_der_private_key(bytes.fromhex(went["results"][0][0]), None)
        assert found.private_numbers() == KEY.private_numbers()

    def test_an_answer_without_content_type_and_parts_in_pem(self, ask, certificate):
        def pem(name, text):
            return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (name, text, name)

        key = pem(b"PRIVATE KEY", base64.encodebytes(octets(KEY)))
        body = multipart((KEY_TYPE, key), (CERT_TYPE, pem(b"PKCS7", certificate[1])))
        went = ask(body, "")
        assert went.get("results"), went

    def test_a_chunked_answer_without_types_that_fit(self, device, context, anchor, certificate):
        kind = "application/x-pkcs7-mime"
        body = multipart(key_part(octets(KEY)), (kind, certificate[1]))

        def script(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor)))
            connection.read_request()
            connection.send(
                f"HTTP/1.1 200 OK\r\nContent-Type: {TYPE}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            for i in range(0, len(body), 61):
                piece = body[i : i + 61]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")

        with ScriptedServer(script, context) as server:
            went = device.run("serverkeygen", port=server.port, anchors=[anchor], csr=CSR)
        assert went.get("results"), went


class TestEncryptedKeys:
    def test_with_a_shared_key(self, ask, certificate, tmp_path):
        sent = key_part(with_shared_key(tmp_path), ENCRYPTED_TYPE)
        went = ask(multipart(sent, certificate), kek=SHARED)
        assert went.get("results"), went
        assert went["results"][0][0] == octets(KEY).hex()

    def test_by_ecdh_to_the_devices_own_key(self, ask, certificate, tmp_path):
        own = ec.generate_private_key(ec.SECP256R1())
        options = ["-aes-128-cbc", "-aes256-wrap", "-recip", recipient(tmp_path, own)]
        message = enveloped(tmp_path, *options, "-keyopt", "ecdh_kdf_md:sha256")
        went = ask(
            multipart(key_part(message, "application/pkcs7-mime"), certificate),
            decrypt_key=octets(own).hex(),
        )
        assert went.get("results"), went
        assert went["results"][0][0] == octets(KEY).hex()

    def test_with_another_key(self, ask, certificate, tmp_path):
        sent = key_part(with_shared_key(tmp_path), ENCRYPTED_TYPE)
        went = ask(multipart(sent, certificate), kek=["aabb", "00" * 32])
        fails(went, "KeyFault", "another key")

    def test_with_nothing_to_decrypt_it(self, ask, certificate, tmp_path):
        sent = key_part(with_shared_key(tmp_path), ENCRYPTED_TYPE)
        fails(ask(multipart(sent, certificate)), "KeyFault", "nothing was given to decrypt it")

    def test_in_plain_although_encryption_was_asked_for(self, ask, certificate):
        went = ask(multipart(key_part(octets(KEY)), certificate), kek=SHARED)
        fails(went, "ProtocolError", "unencrypted")

    def test_by_rsa_key_transport(self, ask, certificate, tmp_path):
        message = enveloped(tmp_path, "-aes-256-cbc", "-recip", recipient(tmp_path, rsa_key(2048)))
        went = ask(multipart(key_part(message, ENCRYPTED_TYPE), certificate), kek=SHARED)
        fails(went, "KeyFault", "RSA key transport")

    def test_something_else_than_a_key(self, ask, certificate, tmp_path):
        message = with_shared_key(tmp_path, content=b"\x30\x80" * 60)
        went = ask(multipart(key_part(message, ENCRYPTED_TYPE), certificate), kek=SHARED)
        fails(went, "ProtocolError", "no private key")


class TestTrust:
    def test_an_unverified_server_is_not_asked(self, device, context, anchor):
        pin = hashlib.sha256(b"another root").hexdigest()
        script = answers(response(certs_only(anchor)))
        with ScriptedServer(script, context) as server:
            went = device.run("serverkeygen", port=server.port, fingerprint=pin, csr=CSR)
        assert went["class"] == "TrustError"
        assert [sent.head.split(" ")[0] for sent in server.requests] == ["GET"]

    def test_a_server_of_another_ca_is_not_asked(self, device, context):
        other = der(trustme.CA().cert_pem.bytes())
        with ScriptedServer(answers(), context) as server:
            went = device.run("serverkeygen", port=server.port, anchors=[other], csr=CSR)
        assert went["class"] == "TrustError" and server.requests == []

    def test_a_server_without_encryption_is_not_asked(self, device, ca, anchor):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("eNULL:@SECLEVEL=0")
        with ScriptedServer(answers(), context) as server:
            went = device.run("serverkeygen", port=server.port, anchors=[anchor], csr=CSR)
        assert went["class"] in ("NetworkError", "TlsRefused", "TrustError"), went
        assert server.requests == []

    def test_a_certificate_of_another_ca(self, ask):
        part = CERT_TYPE, certs_only(issue(trustme.CA(), KEY.public_key()))
        went = ask(multipart(key_part(octets(KEY)), part))
        fails(went, "TrustError", "no path to a trust anchor")

    def test_a_key_that_is_not_the_certificates(self, ask, certificate):
        other = ec.generate_private_key(ec.SECP256R1())
        went = ask(multipart(key_part(octets(other)), certificate))
        fails(went, "ProtocolError", "for another key")

    def test_a_ca_certificate(self, ask, ca):
        part = CERT_TYPE, certs_only(issue(ca, KEY.public_key(), is_ca=True))
        fails(ask(multipart(key_part(octets(KEY)), part)), "ProtocolError", "CA certificate")

    def test_an_implicit_anchor_is_taken_with_a_warning(self, device, context, anchor):
        # The TLS certificate is of another CA than the EST CA's.
        est_ca = trustme.CA()
        root = certs_only(der(est_ca.cert_pem.bytes()))
        part = CERT_TYPE, certs_only(issue(est_ca, KEY.public_key()))

        def script(connection):
            while sent := connection.read_request():
                body = multipart(key_part(octets(KEY)), part) if sent.body else root
                connection.send(response(body, "200 OK", TYPE))

        for implicit, warned in (({"implicit": [anchor]}, True), ({"anchors": [anchor]}, False)):
            with ScriptedServer(script, context) as server:
                went = device.run(
                    "serverkeygen", port=server.port, keep_implicit=True, csr=CSR, **implicit
                )
            assert went.get("results"), went
            warnings = [line for level, line in went["log"] if level == logging.WARNING]
            assert any("not recommended" in line for line in warnings) == warned


class TestBadAnswers:
    def test_truncations_everywhere(self, ask, certificate):
        body = multipart(key_part(octets(KEY)), certificate)
        for size in range(30, len(body) - 2, len(body) // 3):
            fails(ask(body[:size]), "ProtocolError")

    def test_a_connection_that_ends_early(self, device, context, anchor, certificate):
        body = multipart(key_part(octets(KEY)), certificate)
        answer = response(body, "200 OK", TYPE)

        def script(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor)))
            connection.read_request()
            connection.send(answer[:-400])

        with ScriptedServer(script, context) as server:
            went = device.run("serverkeygen", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "NetworkError", "ended inside the body")

    def test_another_boundary_or_none(self, ask, certificate):
        body = multipart(key_part(octets(KEY)), certificate)
        fails(ask(body, "multipart/mixed; boundary=other"), "ProtocolError", "last boundary")
        fails(ask(body, "multipart/mixed"), "ProtocolError", "no boundary")
        fails(ask(body, "application/pkcs7-mime"), "ProtocolError", "not with multipart/mixed")
        fails(ask(b"<html></html>", "text/html"), "ProtocolError", "not with multipart/mixed")

    def test_parts_that_are_missing_or_too_many(self, ask, certificate):
        key = key_part(octets(KEY))
        for parts, text in (
            ([key], "no certificate"),
            ([certificate], "no private key"),
            ([], "no private key"),
            ([key, key, certificate], "more than one private key"),
            ([key, certificate, certificate], "more than one certificate"),
            ([key, certificate, ("text/plain", b"AAAA")], "neither key nor certificate"),
            ([(KEY_TYPE, b""), certificate], "no private key"),
        ):
            fails(ask(multipart(*parts)), "ProtocolError", text)

    def test_a_part_that_is_no_base64(self, ask, certificate):
        fails(ask(multipart((KEY_TYPE, b"!!!"), certificate)), "ProtocolError", "base64")

    def test_keys_that_are_broken_or_of_other_kinds(self, ask, certificate):
        for encoded, text in (
            (octets(KEY)[:-1], "damaged"),
            (octets(ed25519.Ed25519PrivateKey.generate()), "1.3.101.112"),
            (octets(ec.generate_private_key(ec.SECP384R1())), "P-384"),
        ):
            went = ask(multipart(key_part(encoded), certificate))
            fails(went, "ProtocolError", "the server's key cannot be used", text)

    def test_more_than_the_board_takes(self, ask, certificate):
        large = key_part(octets(KEY) + bytes(3000))
        went = ask(multipart(large, certificate), limits={"MAX_BODY": 2000})
        fails(went, "LimitError", "larger than 2000 bytes")
        flood = b"--estServerExampleBoundary\r\n\r\n\r\n" * 2000
        went = ask(flood + multipart(certificate), limits={"MAX_BODY": 4000})
        assert went["class"] in ("LimitError", "ProtocolError"), went
        went = ask(b"x" * 40000, limits={"MAX_BODY": 4000})
        fails(went, "LimitError", "larger than this board takes")
