"""/serverkeygen (RFC 7030 4.4), tried with curl; what comes out is read by Python and OpenSSL."""

import asyncio
import base64
import email
import hashlib
import subprocess
import time

import pytest
from commands import openssl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from estctl.host_key import HostKey
from pki import csr, der, der_writer, key_protection

KEK = bytes(range(32))
SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


@pytest.fixture(scope="module")
def sealing(servers, tmp_path_factory):
    """A server that shares KEK with its clients."""
    folder = tmp_path_factory.mktemp("sealing")
    (folder / "kek").write_bytes(KEK)
    return servers.start(folder / "server", "--key-encryption-key", folder / "kek")


def asked(server, request):
    """Ask for a key; return the answer's parts as (content type, octets)."""
    answer = server.enroll(request, path="serverkeygen")
    assert answer.status == 200, answer.body
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/mixed; boundary=")
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\n\n" + answer.body)
    parts = message.get_payload()
    return [(part["Content-Type"], part.get_payload(decode=True)) for part in parts]


def certificate_of(part, folder):
    kind, octets = part
    assert kind == "application/pkcs7-mime; smime-type=certs-only"
    (folder / "bag").write_bytes(octets)
    text = openssl("pkcs7", "-inform", "DER", "-in", folder / "bag", "-print_certs")
    return x509.load_pem_x509_certificate(text[text.index("-----BEGIN") :].encode())


def public(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def built(own, *more):
    """Return the base64 of a request with attributes of its own."""
    key = HostKey(own)
    return base64.encodebytes(asyncio.run(csr.build(key, "CN=pump", more=more)))


def cms(*arguments, data=None):
    """Run `openssl cms` on DER; return what it writes."""
    command = ["openssl", "cms", "-inform", "DER", *(str(each) for each in arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(folder, message, *how):
    """Return the one private key in EnvelopedData, which OpenSSL decrypts and verifies."""
    (folder / "sealed").write_bytes(message)
    signed = cms("-decrypt", "-in", folder / "sealed", *how)
    signed = der_writer.tlv(der.SEQUENCE, SIGNED_DATA, der_writer.tlv(0xA0, signed))
    package = der.sequence(cms("-verify", "-noverify", data=signed))
    key = bytes(package.element())
    package.finish()
    return load_der_private_key(key, None)


@pytest.mark.parametrize(
    ("options", "kind"),
    [((), ec.EllipticCurvePrivateKey), (("-newkey", "rsa:2048"), rsa.RSAPrivateKey)],
    ids=["ec", "rsa"],
)
def test_a_new_key_of_the_requests_kind_and_its_certificate(server, desk, tmp_path, options, kind):
    request = desk.request("/CN=pump", "-addext", "subjectAltName=DNS:p.example", key=options)
    first, second = asked(server, request) if options else asked(server, desk.request("/CN=pump"))
    assert first[0] == "application/pkcs8"
    key = load_der_private_key(first[1], None)
    assert isinstance(key, kind)
    issued = certificate_of(second, tmp_path)
    assert public(key.public_key()) == public(issued.public_key())
    own = load_pem_private_key(desk.key.read_bytes(), None)
    assert public(own.public_key()) != public(issued.public_key())
    assert issued.subject.rfc4514_string() == "CN=pump"
    chain = ["-CAfile", server.facts["anchors"], "-untrusted", server.issuing]
    (tmp_path / "issued").write_bytes(issued.public_bytes(Encoding.PEM))
    openssl("verify", "-x509_strict", *chain, tmp_path / "issued")


def test_credentials_are_needed(server, desk):
    answer = server.curl("serverkeygen", data=desk.request("/CN=pump"))
    assert answer.status == 401


def test_a_request_that_cannot_be_certified_gets_no_key(server, desk):
    answer = server.enroll(
        desk.request("/CN=pump", "-addext", "basicConstraints=CA:TRUE"), path="serverkeygen"
    )
    assert answer.status == 400 and "CA:TRUE" in answer.reason


@pytest.mark.parametrize("bits", [256, 128])
def test_a_key_sealed_with_a_shared_key(start, tmp_path, bits):
    kek = KEK[: bits // 8]
    (tmp_path / "kek").write_text(kek.hex())
    server = start("--key-encryption-key", tmp_path / "kek")
    own = ec.generate_private_key(ec.SECP256R1())
    first, second = asked(server, built(own, *key_protection.symmetric(b"\xaa\xbb", bits)))
    assert first[0] == "application/pkcs7-mime; smime-type=server-generated-key"
    key = inside(tmp_path, first[1], "-secretkey", kek.hex(), "-secretkeyid", "aabb")
    issued = certificate_of(second, tmp_path)
    assert public(key.public_key()) == public(issued.public_key()) != public(own.public_key())


def test_a_key_sealed_by_ecdh_to_the_requests_own(server, tmp_path):
    own = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "own").write_bytes(
        own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    point = public(own.public_key())[-65:]
    for identifier in (hashlib.sha1(point).digest(), hashlib.sha256(point).digest()[:20]):
        first, second = asked(server, built(own, *key_protection.asymmetric(identifier)))
        key = inside(tmp_path, first[1], "-inkey", tmp_path / "own")
        issued = certificate_of(second, tmp_path)
        assert public(key.public_key()) == public(issued.public_key())


def test_what_cannot_be_sealed_as_asked_is_refused(server, sealing):
    own = ec.generate_private_key(ec.SECP256R1())
    shared, capabilities = key_protection.symmetric(b"\xaa\xbb")
    point = public(own.public_key())[-65:]
    asymmetric, _ = key_protection.asymmetric(hashlib.sha1(point).digest())
    only_cbc = key_protection._capabilities(key_protection._aes(b"\x2a"))
    only_wrap = key_protection._capabilities(key_protection._aes(b"\x2d"))
    bad_identifier = key_protection._attribute(key_protection._DECRYPT_KEY_ID, b"\x05\x00")
    bad_capabilities = key_protection._attribute(key_protection._CAPABILITIES, b"\x30\x01\x05")
    for where, more, text in (
        (server, [shared, capabilities], "no key by that DecryptKeyIdentifier"),
        (sealing, [shared], "needs smimeCapabilities"),
        (sealing, [shared, only_wrap], "neither AES-256 nor AES-128 in CBC"),
        (sealing, [shared, only_cbc], "no AES key wrap"),
        (sealing, [bad_identifier, capabilities], "no OCTET STRING"),
        (sealing, [shared, bad_capabilities], "cannot be read"),
        (sealing, [asymmetric, capabilities], "no ECDH"),
        (sealing, key_protection.asymmetric(b"other"), "not of the request's own key"),
    ):
        answer = where.enroll(built(own, *more), path="serverkeygen")
        assert answer.status == 400 and text in answer.reason, (text, answer)
    large = rsa.generate_private_key(65537, 2048)
    answer = server.enroll(built(large, *key_protection.asymmetric(b"x")), path="serverkeygen")
    assert answer.status == 400 and "only a P-256 key" in answer.reason


def test_a_file_that_is_no_aes_key_starts_no_server(refused, tmp_path):
    for content in (b"", b"00" * 24, b"x" * 31):
        (tmp_path / "kek").write_bytes(content)
        status, text = refused("--key-encryption-key", tmp_path / "kek")
        assert status == 2 and "AES key of 16 or 32 octets" in text
    status, text = refused("--key-encryption-key", tmp_path / "missing")
    assert status == 2 and "missing" in text


def test_the_end_does_not_wait_for_keys_that_are_being_made(start, desk, torture):
    if not torture:
        pytest.skip("two dozen RSA keys of 4096 bits: only in make torture")
    server = start()
    data = desk.folder / "request"
    data.write_bytes(desk.request("/CN=many", key=("-newkey", "rsa:4096")))
    command = ["curl", "--silent", "--insecure", "--config", str(server.login)]
    command += ["--header", "Content-Type: application/pkcs10", "--data-binary", f"@{data}"]
    url = f"{server.facts['url']}/.well-known/est/serverkeygen"
    clients = [subprocess.Popen([*command, url], stdout=subprocess.DEVNULL) for _ in range(24)]
    try:
        time.sleep(2)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 12
    finally:
        for client in clients:
            client.kill()
            client.wait()
