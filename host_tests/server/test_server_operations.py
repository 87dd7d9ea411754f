"""cacerts, csrattrs, simpleenroll and simplereenroll, tried with curl and OpenSSL."""

import base64
import hashlib
import http.client
import ssl

import pytest

RSA = ("-newkey", "rsa:2048")


def test_cacerts_are_root_and_issuing_ca(server, desk):
    answer = server.curl("cacerts")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/pkcs7-mime"
    assert answer.headers["content-transfer-encoding"] == "base64"
    root, issuing = desk.certificates(answer)
    der = ssl.PEM_cert_to_DER_cert(root.read_text())
    assert hashlib.sha256(der).hexdigest() == server.facts["fingerprint"]
    desk.openssl("verify", "-x509_strict", "-CAfile", server.facts["anchors"], issuing)


@pytest.mark.parametrize("kind", [(), RSA], ids=["ec", "rsa"])
def test_simpleenroll_certifies_the_key(server, desk, kind):
    request = desk.request("/O=Acme/CN=pump", key=kind) if kind else desk.request("/CN=pump")
    answer = server.enroll(request)
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/pkcs7-mime; smime-type=certs-only"
    (issued,) = desk.certificates(answer)
    chain = ["-CAfile", server.facts["anchors"], "-untrusted", server.issuing]
    desk.openssl("verify", "-x509_strict", "-purpose", "sslclient", *chain, issued)
    public = desk.openssl("x509", "-in", issued, "-noout", "-pubkey")
    assert public == desk.openssl("pkey", "-in", desk.key, "-pubout")


def test_what_is_asked_for_is_in_the_certificate(server, desk):
    names = "DNS:pump.example,IP:192.0.2.7,URI:urn:x:7,otherName:1.3.6.1.5.5.7.8.4;UTF8:x"
    usages = ["-addext", "keyUsage=critical,digitalSignature,keyAgreement"]
    usages += ["-addext", "extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.17"]
    request = desk.request("/O=Acme/CN=pump", "-addext", f"subjectAltName={names}", *usages)
    (issued,) = desk.certificates(server.enroll(request))
    text = desk.text(issued)
    for part in (
        "O = Acme, CN = pump",
        "DNS:pump.example, IP Address:192.0.2.7, URI:urn:x:7, othername:",
        "X509v3 Key Usage: critical\n                Digital Signature, Key Agreement",
        "TLS Web Client Authentication, ",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
    ):
        assert part in text, (part, text)


def test_an_empty_subject_makes_the_names_critical(server, desk):
    request = desk.request("/", "-addext", "subjectAltName=DNS:pump.example")
    (issued,) = desk.certificates(server.enroll(request))
    assert "X509v3 Subject Alternative Name: critical" in desk.text(issued)


def test_days_are_the_validity_but_not_beyond_the_ca(start, desk):
    server = start("--days", 9999)
    (issued,) = desk.certificates(server.enroll(desk.request("/CN=pump")))

    def end(path):
        return desk.openssl("x509", "-in", path, "-noout", "-enddate")

    assert end(issued) == end(server.issuing)


class TestReenroll:
    SAN = ("-addext", "subjectAltName=DNS:pump.example")

    def test_with_a_new_key(self, server, desk):
        mine = desk.enrolled(server, "/CN=pump", *self.SAN)
        answer = server.curl("simplereenroll", *mine, data=desk.request("/CN=pump", *self.SAN))
        assert answer.status == 200, answer.body
        (issued,) = desk.certificates(answer)
        public = desk.openssl("x509", "-in", issued, "-noout", "-pubkey")
        assert public == desk.openssl("pkey", "-in", desk.key, "-pubout")
        renewed = desk.key.rename(desk.folder / "renewed.key")
        mine = ["--cert", issued, "--key", renewed]
        answer = server.curl("simplereenroll", *mine, data=desk.request("/CN=pump", *self.SAN))
        assert answer.status == 200, answer.body

    @pytest.mark.parametrize(
        ("subject", "more"),
        [
            ("/CN=other", SAN),
            ("/O=Acme/CN=pump", SAN),
            ("/CN=pump", ()),
            ("/CN=pump", ("-addext", "subjectAltName=DNS:other.example")),
        ],
    )
    def test_with_other_names(self, server, desk, subject, more):
        mine = desk.enrolled(server, "/CN=pump", *self.SAN)
        answer = server.curl("simplereenroll", *mine, data=desk.request(subject, *more))
        assert answer.status == 400 and "must equal" in answer.reason

    def test_without_a_certificate(self, server, desk):
        answer = server.enroll(desk.request("/CN=pump"), path="simplereenroll")
        assert answer.status == 403 and "in TLS" in answer.reason

    def test_with_a_certificate_that_the_records_lack(self, servers, desk, tmp_path):
        first = servers.start(tmp_path / "server")
        mine = desk.enrolled(first, "/CN=pump")
        assert first.stop() == 0
        (tmp_path / "server" / "issued.sqlite").unlink()
        second = servers.start(tmp_path / "server")
        answer = second.curl("simplereenroll", *mine, data=desk.request("/CN=pump"))
        assert answer.status == 403 and "not issued here" in answer.reason


class TestCsrattrs:
    def test_none_is_204(self, server):
        answer = server.curl("csrattrs")
        assert (answer.status, answer.body) == (204, b"")

    def test_default_asks_for_p256(self, start, desk):
        answer = start("--csrattrs", "default").curl("csrattrs")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/csrattrs"
        (desk.folder / "der").write_bytes(base64.b64decode(answer.body))
        text = desk.openssl("asn1parse", "-inform", "DER", "-in", desk.folder / "der")
        for name in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"):
            assert name in text

    @pytest.mark.parametrize("form", ["der", "base64"])
    def test_a_file(self, start, tmp_path, form):
        der = bytes.fromhex("300b06092a864886f70d010907")
        content = der if form == "der" else base64.encodebytes(der)
        (tmp_path / "attributes").write_bytes(content)
        answer = start("--csrattrs", tmp_path / "attributes").curl("csrattrs")
        assert base64.b64decode(answer.body) == der


def test_one_connection_serves_all_also_after_a_401(server, desk):
    context = ssl.create_default_context(cafile=server.facts["anchors"])
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
    connection.connect()
    socket = connection.sock
    request = desk.request("/CN=pump")
    user, password = server.login.read_text().split('"')[1].split(":")
    basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    for method, path, headers, status in (
        ("GET", "cacerts", {}, 200),
        ("GET", "csrattrs", {}, 204),
        ("POST", "simpleenroll", {}, 401),
        ("POST", "simpleenroll", {"Authorization": basic}, 200),
        ("GET", "cacerts", {}, 200),
    ):
        body = request if method == "POST" else None
        headers = {**headers, **({"Content-Type": "application/pkcs10"} if body else {})}
        connection.request(method, f"/.well-known/est/{path}", body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
        assert connection.sock is socket, "the server closed the connection"
    connection.close()
