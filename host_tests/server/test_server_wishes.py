"""--link and --csrattrs template of the development server, tried with curl and OpenSSL."""

import base64

CHALLENGE = """
[req]
distinguished_name = name
attributes = wishes
prompt = no
[name]
CN = pump
[wishes]
challengePassword = AAECAwQFBgcICQoL
"""


def with_challenge(desk):
    """Return a request with a challengePassword."""
    (desk.folder / "config").write_text(CHALLENGE)
    out = desk.folder / "request.pem"
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", desk.key]
    desk.openssl("req", "-new", *key, "-config", desk.folder / "config", "-out", out)
    return "".join(out.read_text().splitlines(keepends=True)[1:-1]).encode()


class TestLink:
    def test_a_request_that_is_not_linked(self, start, desk):
        server = start("--link", "require")
        answer = server.enroll(desk.request("/CN=pump"), "--tls-max", "1.2")
        assert answer.status == 400 and "challengePassword is missing" in answer.reason

    def test_a_request_that_is_linked_to_another_session(self, start, desk):
        server = start("--link", "require")
        answer = server.enroll(with_challenge(desk), "--tls-max", "1.2")
        assert answer.status == 400 and "not this TLS session's tls-unique" in answer.reason

    def test_tls_1_3_has_nothing_to_link_with(self, start, desk):
        server = start("--link", "require")
        answer = server.enroll(desk.request("/CN=pump"), "--tlsv1.3")
        assert answer.status == 400 and "come with TLS 1.2" in answer.reason

    def test_a_challenge_password_that_nobody_asked_for_is_passed_over(self, server, desk):
        assert server.enroll(with_challenge(desk)).status == 200

    def test_csrattrs_say_so(self, start, desk):
        answer = start("--link", "require").curl("csrattrs")
        assert base64.b64decode(answer.body) == bytes.fromhex("300b06092a864886f70d010907")

    def test_tls_1_3_alone_cannot_be_linked(self, refused):
        status, text = refused("--link", "require", "--tls", "1.3")
        assert status == 2 and "no tls-unique" in text


def test_a_template(start, desk):
    answer = start("--csrattrs", "template").curl("csrattrs")
    (desk.folder / "der").write_bytes(base64.b64decode(answer.body))
    text = desk.openssl("asn1parse", "-inform", "DER", "-in", desk.folder / "der")
    for name in (
        "1.2.840.113549.1.9.16.2.61",
        "commonName",
        "prime256v1",
        "1.2.840.113549.1.9.16.2.62",
        "X509v3 Key Usage",
        "X509v3 Extended Key Usage",
    ):
        assert name in text, text
