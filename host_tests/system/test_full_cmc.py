"""Full CMC: estctl and small boards against the development server, and what that refuses."""

import asyncio
import base64
import http.client
import ssl
import stat
from pathlib import Path

import board_app
import pytest
from commands import estctl, openssl
from estctl import files
from estctl.host_key import HostKey
from pki import cmc, csr
from probing import HOST_TESTS, der

APP = HOST_TESTS / "device" / "fullcmc_app.py"
EC_KEY = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
PKI_RESPONSE = "eContentType: id-cct-PKIResponse (1.3.6.1.5.5.7.12.3)"
TRANSACTION, NONCE = b"\x02\x01\x07", b"\x04\x02\xaa\xbb"
OWN = HostKey.generate()


@pytest.fixture(scope="module")
def open_server(servers, tmp_path_factory):
    """A server that wants no credential."""
    return servers.start(tmp_path_factory.mktemp("open"), "--auth", "none")


def enrol(server, folder, *options, who=None):
    written = ["--out-cert", folder / "c.pem", "--out-key", folder / "k.pem"]
    written += ["--out-ca", folder / "ca.pem"]
    who = server.credential if who is None else who
    at = [*server.at, *who, "--subject", "O=Acme,CN=pump 7"]
    return estctl("fullcmc", "--json", *at, *written, *options)


def check(folder):
    """The certificate chains to the root and is for the key, which only its owner can read."""
    openssl("verify", "-CAfile", folder / "ca.pem", folder / "c.pem")
    public = openssl("x509", "-in", folder / "c.pem", "-noout", "-pubkey")
    assert public == openssl("pkey", "-in", folder / "k.pem", "-pubout")
    assert stat.S_IMODE((folder / "k.pem").stat().st_mode) == 0o600


def request(key=OWN, subject="CN=pump 8"):
    return asyncio.run(csr.build(key, subject))


def message(key=OWN, signer=None, certificate=None, pkcs10=None):
    pkcs10 = pkcs10 or request(key)
    made = cmc.request(signer or key, pkcs10, TRANSACTION, NONCE, certificate)
    return asyncio.run(made)


def post(server, body, content_type="application/pkcs7-mime; smime-type=CMC-request"):
    """Send octets to /fullcmc; return (status, content type, decoded body)."""
    context = ssl.create_default_context(cafile=server.anchors)
    port = int(server.url.rpartition(":")[2])
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    headers = {"Content-Type": content_type}
    connection.request("POST", "/.well-known/est/fullcmc", base64.b64encode(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    kind = answer.headers["Content-Type"]
    return answer.status, kind, text if kind.startswith("text") else base64.b64decode(text)


def verified(server, folder, answer):
    """Let OpenSSL verify a response up to the root; return its content as asn1parse shows it."""
    (folder / "answer").write_bytes(answer)
    asked = ["cms", "-inform", "DER", "-in", folder / "answer"]
    assert PKI_RESPONSE in openssl(*asked, "-cmsout", "-print", "-noout")
    root = Path(server.anchors)
    known = root.read_bytes() + (root.parent / "issuing.pem").read_bytes()
    (folder / "known.pem").write_bytes(known)
    trusted = ["-CAfile", folder / "known.pem", "-purpose", "any"]
    openssl(*asked, "-verify", "-binary", *trusted, "-out", folder / "content")
    return openssl("asn1parse", "-inform", "DER", "-in", folder / "content")


class TestEstctl:
    def test_an_enrolment_signed_with_its_own_key(self, server, tmp_path):
        done = enrol(server, tmp_path, "--san", "dns:pump.example")
        assert done.status == 0, done.err
        assert done.json["subject"] == "O=Acme,CN=pump 7" and done.json["signed_by"] == "own key"
        check(tmp_path)
        text = openssl("x509", "-in", tmp_path / "c.pem", "-noout", "-text")
        assert "DNS:pump.example" in text

    def test_an_enrolment_signed_with_a_certificate(self, server, tmp_path):
        for name in ("old", "new"):
            (tmp_path / name).mkdir()
        assert enrol(server, tmp_path / "old").status == 0
        who = ["--cert", tmp_path / "old" / "c.pem", "--key", tmp_path / "old" / "k.pem"]
        done = enrol(server, tmp_path / "new", who=who)
        assert done.status == 0, done.err
        assert done.json["signed_by"] == "certificate"
        check(tmp_path / "new")

    def test_what_the_server_refuses_is_told_in_words(self, server, tmp_path):
        done = enrol(server, tmp_path, "--subject", "")
        assert done.status == 2 and "subject" in done.err
        # A certificate of the TLS client that the CA did not issue.
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "own.key")
        own = ["-subj", "/CN=x", "-out", tmp_path / "own.pem"]
        openssl("req", "-x509", "-new", "-key", tmp_path / "own.key", *own)
        who = ["--cert", tmp_path / "own.pem", "--key", tmp_path / "own.key"]
        assert enrol(server, tmp_path, who=who).status == 1
        assert not (tmp_path / "k.pem").exists()

    def test_a_linked_request_that_has_to_wait(self, servers, tmp_path):
        wait = ("--not-yet", "1", "--retry-after", "1")
        server = servers.start(tmp_path / "server", "--link", "require", "--tls", "1.2", *wait)
        done = enrol(server, tmp_path, "--max-wait", "30")
        assert done.status == 0, done.err
        check(tmp_path)
        done = enrol(server, tmp_path, "--force")
        assert done.status == 4 and done.json["retry_after"] == 1
        pending = tmp_path / "k.pem.pending"  # beside the key that is in use
        assert f"--pending-key {pending}" in done.err, done.err
        check(tmp_path)
        again = ["--force", "--pending-key", pending, "--max-wait", "30"]
        done = enrol(server, tmp_path, *again)
        assert done.status == 0 and not pending.exists(), done.err
        check(tmp_path)

    def test_a_link_that_the_server_demands_and_tls_does_not_give(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", "--link", "require")  # TLS 1.3 is agreed on
        done = enrol(server, tmp_path)
        assert done.status == 2 and "challengePassword" in done.err
        done = enrol(server, tmp_path, "--link", "optional")
        assert done.status == 1 and "badRequest" in done.err and "TLS 1.2" in done.err

    def test_wrong_usage(self, server, tmp_path):
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "own.key")
        done = enrol(server, tmp_path, "--key", tmp_path / "own.key")
        assert done.status == 2 and "--cert" in done.err
        at = [*server.at, *server.credential, "--subject", "CN=x"]
        done = estctl("fullcmc", *at, "--out-cert", tmp_path / "c.pem")
        assert done.status == 2 and "--out-key" in done.err
        assert not (tmp_path / "c.pem").exists()


class TestServer:
    def test_an_answer_that_openssl_verifies(self, open_server, tmp_path):
        status, kind, answer = post(open_server, message())
        assert status == 200
        assert kind == "application/pkcs7-mime; smime-type=CMC-response"
        shown = verified(open_server, tmp_path, answer)
        assert "id-cmc-recipientNonce" in shown and "[HEX DUMP]:AABB" in shown

    def test_requests_that_are_refused(self, open_server, tmp_path):
        whole = message()
        other = HostKey.generate()
        stranger = tmp_path / "stranger.pem"
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "stranger.key")
        own = ["-subj", "/CN=x", "-out", stranger]
        openssl("req", "-x509", "-new", "-key", tmp_path / "stranger.key", *own)
        key = HostKey.load(files.read_key(tmp_path / "stranger.key"))
        certificate = der(stranger.read_bytes())
        unproved = bytearray(request())
        unproved[-1] ^= 1
        at = whole.index(b"pump 8")
        renamed = whole[:at] + b"pump 9" + whole[at + 6 :]
        for sent, fail_info, text in (
            (whole[:-1] + bytes((whole[-1] ^ 1,)), 1, "signature of the message is wrong"),
            (renamed, 1, "signed attributes"),
            (message(other)[:-9] + whole[-9:], 1, "signature"),
            (message(signer=key, certificate=certificate), 1, "not valid here"),
            (message(pkcs10=bytes(unproved)), 9, "no proof of possession"),
            (request(), 2, "no Full PKI"),
            (b"\x30\x80" * 20, 2, "no Full PKI"),
        ):
            status, kind, answer = post(open_server, sent)
            assert status == 400 and kind.endswith("CMC-response"), text
            shown = verified(open_server, tmp_path, answer)
            assert text in shown, (text, shown)
            assert f"INTEGER           :{fail_info:02X}" in shown, (text, shown)

    def test_truncations_are_refused(self, open_server, tmp_path):
        whole = message()
        for size in range(1, len(whole), len(whole) // 12):
            status, kind, answer = post(open_server, whole[:size])
            assert status == 400 and kind.endswith("CMC-response"), size
            assert "no Full PKI Request" in verified(open_server, tmp_path, answer)

    def test_other_content_types(self, open_server):
        status, _, text = post(open_server, message(), "application/pkcs10")
        assert status == 415 and b"pkcs7-mime" in text


class TestSmallBoards:
    """The compiled library on a simulated board, in a heap of 96 KiB."""

    @pytest.mark.parametrize("name", ["unix", "unix32"])
    def test_an_enrolment(self, name, server, tmp_path):
        board_app.run(name, APP, server, tmp_path)
