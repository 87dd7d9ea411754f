"""Who gets in: HTTP Basic, client certificates, TLS versions; and what the log says of it."""

import base64
import socket
import sqlite3
import ssl
from pathlib import Path

import pytest
from cryptography import x509


def basic(text: bytes) -> str:
    return "Authorization: Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    "header",
    [
        "X-None: 1",
        basic(b"device:wrong"),
        basic(b"other:wrong"),
        basic(b"device:"),
        basic(b":"),
        basic(b"device"),
        basic(b"device:\xff\xfe"),
        "Authorization: Basic !!!!",
        "Authorization: Basic",
        "Authorization: Basic \u00fc",
        "Authorization: Bearer abc",
        'Authorization: Digest username="device"',
    ],
)
def test_401_without_the_right_password(server, desk, header):
    answer = server.curl("simpleenroll", "--header", header, data=desk.request("/CN=x"))
    assert answer.status == 401 and answer.reason
    assert answer.headers["www-authenticate"].startswith('Basic realm="')


def test_the_scheme_in_any_case(server, desk):
    credential = server.login.read_text().split('"')[1].encode()
    header = basic(credential).replace("Basic", "bAsIc")
    answer = server.curl("simpleenroll", "--header", header, data=desk.request("/CN=x"))
    assert answer.status == 200


def test_credentials_come_before_the_body(server):
    assert server.curl("simpleenroll", data=b"nonsense").status == 401


def test_cacerts_and_csrattrs_are_for_everyone(server):
    assert server.curl("cacerts").status == 200
    assert server.curl("csrattrs").status == 204


def test_a_user_of_another_name(start, desk):
    server = start("--user", "Jürgen B")
    assert server.facts["user"] == "Jürgen B"
    assert server.enroll(desk.request("/CN=x")).status == 200


def test_no_authentication_where_so_set(start, desk):
    server = start("--auth", "none")
    assert server.curl("simpleenroll", data=desk.request("/CN=x")).status == 200
    assert "anonymous issued" in server.log


def test_a_client_certificate_instead_of_a_password(server, desk):
    mine = desk.enrolled(server, "/CN=first")
    answer = server.curl("simpleenroll", *mine, data=desk.request("/CN=second"))
    assert answer.status == 200
    assert "simpleenroll 200 certificate " in server.log and "(CN=first) issued" in server.log


class TestClientCa:
    """Certificates by another CA, such as a maker's."""

    def maker(self, desk):
        """Return curl options for a certificate by another CA, and that CA's file."""
        ca, key = desk.folder / "maker.pem", desk.folder / "maker.key"
        desk.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-subj", "/CN=maker", "-keyout", key, "-out", ca)  # fmt: skip
        desk.request("/CN=idevid")
        out = desk.folder / "idevid.pem"
        desk.openssl("x509", "-req", "-in", desk.folder / "request.pem", "-CA", ca, "-CAkey", key,
                     "-CAcreateserial", "-days", 9, "-out", out)  # fmt: skip
        mine = desk.folder / "idevid.key"
        desk.key.rename(mine)
        return ["--cert", out, "--key", mine], ca

    def test_they_enrol_but_do_not_renew(self, start, desk):
        mine, ca = self.maker(desk)
        server = start("--client-ca", ca)
        assert server.curl("simpleenroll", *mine, data=desk.request("/CN=new")).status == 200
        answer = server.curl("simplereenroll", *mine, data=desk.request("/CN=idevid"))
        assert answer.status == 403 and "not issued here" in answer.reason

    @pytest.mark.parametrize("version", ["1.2", "1.3"])
    def test_unknown_ones_fail_the_handshake_and_the_log_says_so(self, server, desk, version):
        mine, _ = self.maker(desk)
        with pytest.raises(AssertionError, match="curl"):
            server.curl("cacerts", *mine, "--tls-max", version)
        assert "TLS handshake failed: the client certificate is not accepted" in server.log


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_required_client_certificate(start, desk, version):
    server = start("--require-client-cert", "--tls", version)
    with pytest.raises(AssertionError, match="curl"):
        server.curl("cacerts")
    assert "TLS handshake failed" in server.log
    # One by the same CA, made beside the server.
    root = ["-CA", server.issuing, "-CAkey", server.folder / "issuing.key"]
    desk.request("/CN=operator")
    out = desk.folder / "operator.pem"
    desk.openssl("x509", "-req", "-in", desk.folder / "request.pem", *root, "-out", out)
    assert server.curl("cacerts", "--cert", out, "--key", desk.key).status == 200


@pytest.mark.parametrize(
    ("option", "spoken"), [("1.2", {"1.2"}), ("1.3", {"1.3"}), ("both", {"1.2", "1.3"})]
)
def test_tls_versions(start, option, spoken):
    server = start("--tls", option)
    for version, name in (("1.2", "TLSv1_2"), ("1.3", "TLSv1_3")):
        context = ssl.create_default_context(cafile=server.facts["anchors"])
        context.minimum_version = context.maximum_version = ssl.TLSVersion[name]
        with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
            if version not in spoken:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(raw, server_hostname="localhost")
                continue
            with context.wrap_socket(raw, server_hostname="localhost") as tls:
                assert tls.version() == name.replace("_", ".")


def test_the_handshake_shows_the_certificate_and_the_issuing_ca(server, desk):
    at = ["-connect", f"127.0.0.1:{server.port}", "-verify_return_error"]
    trust = ["-CAfile", server.facts["anchors"], "-x509_strict", "-showcerts"]
    text = desk.openssl("s_client", *at, *trust, data=b"")
    assert "Verify return code: 0" in text and text.count("BEGIN CERTIFICATE") == 2
    shown = desk.openssl("x509", "-noout", "-text", data=text.encode())
    for part in (
        "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "TLS Web Server Authentication, CMC Registration Authority",
        "prime256v1",
        "X509v3 Key Usage: critical\n                Digital Signature",
    ):
        assert part in shown, shown


def test_every_issued_certificate_is_recorded(start, desk):
    server = start()
    mine = desk.enrolled(server, "/O=Acme/CN=pump")
    answer = server.curl("f/simplereenroll", *mine, data=desk.request("/O=Acme/CN=pump"))
    assert answer.status == 200
    with sqlite3.connect(server.folder / "issued.sqlite") as database:
        database.row_factory = sqlite3.Row
        first, second = database.execute("SELECT * FROM issued ORDER BY rowid").fetchall()
    database.close()
    pem = desk.certificate.read_text()
    assert first["certificate"] == ssl.PEM_cert_to_DER_cert(pem)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    # The octets of its INTEGER, as the device shows it: who searches the log for that finds it.
    octets = bytes.fromhex(first["serial"])
    assert int.from_bytes(octets, "big") == certificate.serial_number
    assert bytes([2, len(octets)]) + octets in first["certificate"]
    assert first["subject"] == second["subject"] == "CN=pump,O=Acme"
    assert (first["operation"], first["label"]) == ("simpleenroll", "")
    assert (second["operation"], second["label"]) == ("simplereenroll", "f")
    assert first["client"] == "user device"
    assert second["client"] == f"certificate {first['serial']} (CN=pump,O=Acme)"
    assert first["not_after"] == certificate.not_valid_after_utc.isoformat()


def test_the_log_has_a_line_for_each_request_and_no_secret(start, desk):
    server = start()
    password = Path(server.facts["password_file"]).read_text().strip()
    server.curl("cacerts")
    server.enroll(desk.request("/CN=x"))
    server.curl("simpleenroll", "--user", "device:Wr0ngSecret", data=b"x")
    server.curl("nothing%0A%1b[31m")
    server.enroll(desk.request("/CN=red \x1b[31mred"))
    cacerts, enrolled, wrong, nothing, red = server.log.splitlines()
    assert cacerts.endswith("GET /.well-known/est/cacerts 200")
    assert "POST /.well-known/est/simpleenroll 200 user device issued " in enrolled
    assert wrong.endswith("simpleenroll 401 wrong user name or password")
    assert nothing.endswith(r"nothing\x0a\x1b[31m 404 no such operation here")
    assert r"\x1b" in red and "\x1b" not in server.log
    for secret in (password, "Wr0ngSecret", base64.b64encode(f"device:{password}".encode())):
        assert str(secret) not in server.log


def test_what_is_no_tls_does_no_harm(server):
    for greeting in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\xff" * 64, b""):
        with socket.create_connection(("127.0.0.1", server.port), 20) as raw:
            raw.sendall(greeting)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    assert server.curl("cacerts").status == 200
