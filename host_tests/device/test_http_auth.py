"""HTTP authentication on each interpreter: what is answered, how, how often, and what never is."""

import hashlib
import re
import ssl

import pytest
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scripted_server import ScriptedServer, answers, response

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
SECRET = "S3cret: ä"


def unauthorised(*challenges, close=False):
    """Return a 401 with these challenges, a header line each."""
    lines = [f"WWW-Authenticate: {text}" for text in challenges]
    return response(b"", "401 Unauthorized", "", *lines, *(["Connection: close"] if close else []))


def digest(nonce="n1", algorithm="SHA-256", more=', qop="auth"'):
    return f'Digest realm="a \\"realm\\"", nonce="{nonce}", algorithm={algorithm}{more}'


def parameters(header):
    """Return the parameters of a Digest Authorization header."""
    found = re.findall(r'([a-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', header)
    return {name: re.sub(r"\\(.)", r"\1", quoted) or token for name, quoted, token in found}


def expected(given, method, session_nonce=None):
    """Return the response that RFC 7616 3.4.1 asks for, written apart from the client's code."""
    algorithm = given.get("algorithm", "MD5")
    make = hashlib.sha256 if algorithm.startswith("SHA-256") else hashlib.md5

    def h(*parts):
        return make(":".join(parts).encode()).hexdigest()

    secret = h("pump", 'a "realm"', SECRET)
    if algorithm.endswith("-sess"):
        secret = h(secret, session_nonce or given["nonce"], given["cnonce"])
    end = h(method, given["uri"])
    if "qop" not in given:
        return h(secret, given["nonce"], end)
    return h(secret, given["nonce"], given["nc"], given["cnonce"], given["qop"], end)


@pytest.fixture
def issued(ca):
    return response(certs_only(issue(ca, KEY.public_key())))


@pytest.fixture
def enrol(device, context, anchor):
    """Run operations against a server that sends these responses; return (outcome, server)."""

    def run(*responses, operations=("simpleenroll",), **more):
        more = {"user": "pump", "password": SECRET, **more}
        with ScriptedServer(answers(response(certs_only(anchor)), *responses), context) as server:
            went = device.run(*operations, port=server.port, anchors=[anchor], csr=CSR, **more)
        assert SECRET not in str(went) and "S3cret" not in str(went)
        return went, server

    return run


def sent(server):
    return [each.header("authorization") for each in server.requests]


class TestDigest:
    @pytest.mark.parametrize("algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"])
    def test_each_request_of_a_run_has_a_digest_of_its_own(self, enrol, issued, algorithm):
        went, server = enrol(
            unauthorised(
                digest(algorithm=algorithm, more=', qop="auth, auth-int", opaque="o\\\\"')
            ),
            issued,
            response(b"", "204 No Content", ""),
            operations=("simpleenroll", "csrattrs"),
        )
        assert len(went.get("results", ())) == 2, went
        first, second = (parameters(header) for header in sent(server)[2:])
        assert (first["uri"], second["uri"]) == (
            "/.well-known/est/simpleenroll",
            "/.well-known/est/csrattrs",
        )
        assert (first["nc"], second["nc"]) == ("00000001", "00000002")
        assert first["nonce"] == second["nonce"] == "n1" and first["opaque"] == "o\\"
        assert first["algorithm"] == algorithm and first["qop"] == "auth"
        assert first["response"] == expected(first, "POST")
        assert second["response"] == expected(second, "GET")
        assert server.connections == went["handshakes"] == 1

    def test_a_server_of_rfc_2069_without_qop(self, enrol, issued):
        _, server = enrol(
            unauthorised('digest realm="a \\"realm\\"",nonce="n",domain="/x"'), issued
        )
        given = parameters(sent(server)[2])
        assert given["response"] == expected(given, "POST")
        assert not {"nc", "cnonce", "qop", "algorithm"} & given.keys()

    def test_the_strongest_of_several_challenges(self, enrol, issued):
        _, server = enrol(
            unauthorised(
                'Basic realm="x", ' + digest("m", "MD5"),
                "Negotiate",
                digest("x", "SHA-512-256") + ", " + digest("s", "SHA-256"),
            ),
            issued,
        )
        assert parameters(sent(server)[2])["nonce"] == "s"

    def test_a_stale_nonce_is_replaced_once(self, enrol, issued):
        stale = [unauthorised(digest(f"n{i}", more=', qop="auth", stale=TRUE')) for i in range(5)]
        went, server = enrol(stale[0], stale[1], issued)
        assert "results" in went, went
        assert [parameters(header)["nonce"] for header in sent(server)[2:]] == ["n0", "n1"]
        went, server = enrol(*stale)
        assert went["class"] == "AuthError" and len(server.requests) == 4, went

    def test_a_nonce_that_a_later_request_finds_used_up_is_replaced(self, enrol, issued):
        went, server = enrol(
            unauthorised(digest("n1")),
            issued,
            unauthorised(digest("n2")),
            issued,
            operations=("simpleenroll", "simpleenroll"),
        )
        assert len(went.get("results", ())) == 2, went
        found = [parameters(header) for header in sent(server)[2:]]
        assert [(each["nonce"], each["nc"]) for each in found] == [
            ("n1", "00000001"),
            ("n1", "00000002"),
            ("n2", "00000001"),
        ]

    def test_the_next_nonce_that_a_server_gives_is_used(self, enrol, issued):
        head, _, body = issued.partition(b"\r\n\r\n")
        first = head + b'\r\nAuthentication-Info: qop=auth, nextnonce="n2"\r\n\r\n' + body
        went, server = enrol(
            unauthorised(digest("n1")), first, issued, operations=("simpleenroll", "simpleenroll")
        )
        assert len(went.get("results", ())) == 2, went
        again = parameters(sent(server)[3])
        assert (again["nonce"], again["nc"]) == ("n2", "00000001")
        assert again["response"] == expected(again, "POST")

    def test_wrong_credentials_are_sent_once(self, enrol):
        went, server = enrol(*[unauthorised(digest(f"n{i}")) for i in range(5)])
        assert went["class"] == "AuthError" and len(server.requests) == 3, went
        assert "refused user name and password (401)" in went["error"]

    def test_no_step_down_to_the_password_in_the_clear(self, enrol):
        went, server = enrol(unauthorised(digest()), unauthorised('Basic realm="x"'))
        assert went["class"] == "AuthError" and len(server.requests) == 3, went
        assert all((header or "Digest").startswith("Digest") for header in sent(server))

    @pytest.mark.parametrize(
        ("challenge", "named"),
        [
            (digest(more=', qop="auth-int"'), "Digest SHA-256 auth-int"),
            (digest(algorithm="SHA-512-256"), "Digest SHA-512-256 auth"),
            (digest(algorithm="MD5-sess", more=""), "Digest MD5-sess"),
            ("Negotiate, NTLM", "Negotiate, NTLM"),
            ("Bearer", "Bearer"),
        ],
    )
    def test_what_cannot_be_answered_is_named_and_ends_the_connection(
        self, enrol, challenge, named
    ):
        went, server = enrol(unauthorised(challenge))
        assert went["class"] == "AuthError" and f"(401, {named})" in went["error"], went
        assert sent(server) == [None, None]

    def test_a_401_without_a_challenge(self, enrol):
        went, _ = enrol(unauthorised())
        assert "(401, no HTTP scheme)" in went["error"]


class TestConnections:
    def test_a_server_that_closes_with_the_401_announced_or_not(
        self, device, context, anchor, issued
    ):
        for close, length in ((True, True), (False, True), (False, False), (False, None)):

            def script(connection, close=close, length=length):
                while each := connection.read_request():
                    if "cacerts" in each.head:
                        connection.send(response(certs_only(anchor)))
                    elif each.header("authorization"):
                        connection.send(issued)
                    else:
                        answer = unauthorised(digest(), close=close)
                        if not length:  # none at all, or of a body that never comes
                            wrong = b"" if length is False else b"Content-Length: 99\r\n"
                            answer = answer.replace(b"Content-Length: 0\r\n", wrong)
                        connection.send(answer)
                        return

            with ScriptedServer(script, context) as server:
                went = device.run(
                    "simpleenroll",
                    port=server.port,
                    anchors=[anchor],
                    csr=CSR,
                    user="pump",
                    password=SECRET,
                )
            assert "results" in went, (went, close, length)
            assert server.connections == 2

    def test_a_digest_that_is_sent_again_has_a_count_of_its_own(
        self, device, context, anchor, issued
    ):
        """A server that closes a kept connection may have counted the first one."""
        lost = []

        def script(connection):
            while each := connection.read_request():
                if "cacerts" in each.head:
                    connection.send(response(certs_only(anchor)))
                elif not each.header("authorization"):
                    connection.send(unauthorised(digest(more=', qop="auth"')))
                elif not lost:
                    lost.append(each)
                    return  # without an answer
                else:
                    connection.send(issued)

        with ScriptedServer(script, context) as server:
            login = {"user": "pump", "password": SECRET}
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR, **login)
        assert "results" in went, went
        counts = [parameters(header)["nc"] for header in sent(server) if header]
        assert counts == ["00000001", "00000002"]

    def test_an_unverified_server_gets_no_answer(self, device, context):
        for challenge in (digest(), 'Basic realm="x"', "Bearer"):
            for credential in ({"user": "u", "password": SECRET}, {"token": SECRET[:6]}):
                with ScriptedServer(answers(*[unauthorised(challenge)] * 3), context) as server:
                    went = device.run(
                        "cacerts",
                        port=server.port,
                        fingerprint="00" * 32,
                        at_once=True,
                        **credential,
                    )
                assert went["class"] == "AuthError", went
                assert sent(server) == [None]

    def test_a_challenge_larger_than_the_buffer(self, enrol):
        for challenges in (["Basic " + "x" * 5000], [digest("x" * 400)] * 30):
            went, server = enrol(unauthorised(*challenges))
            assert went["class"] == "LimitError", went
            assert sent(server) == [None, None]

    def test_a_client_certificate_and_a_password_together(self, device, ca, anchor, issued):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        shown = []

        def script(connection):
            shown.append(connection.socket.getpeercert(True))
            answers(response(certs_only(anchor)), unauthorised(digest()), issued)(connection)

        own = ec.generate_private_key(ec.SECP256R1())
        certificate = issue(ca, own.public_key())
        with ScriptedServer(script, context) as server:
            went = device.run(
                "simpleenroll",
                port=server.port,
                anchors=[anchor],
                csr=CSR,
                user="pump",
                password=SECRET,
                certificate=certificate,
                key=own.private_bytes(
                    Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
                ),
            )
        assert "results" in went, went
        assert shown == [certificate] and sent(server)[2].startswith("Digest ")


class TestTokens:
    TOKEN = {"user": None, "password": None, "token": "t0ken.x-y_z"}

    def test_a_token_answers_its_challenge(self, enrol, issued):
        for challenge in (['Basic realm="x", BEARER realm="y"'], []):
            went, server = enrol(unauthorised(*challenge), issued, issued, **self.TOKEN)
            assert "results" in went, went
            assert sent(server) == [None, None, "Bearer t0ken.x-y_z"]

    def test_a_token_goes_at_once_where_that_is_wanted(self, enrol, issued):
        _, server = enrol(issued, at_once=True, **self.TOKEN)
        assert sent(server) == ["Bearer t0ken.x-y_z"] * 2

    def test_a_refused_token_is_not_shown(self, enrol):
        went, server = enrol(*[unauthorised("Bearer")] * 3, **self.TOKEN)
        assert "the server refused the token (401)" in went["error"] and "t0ken" not in str(went)
        assert len(server.requests) == 3

    def test_a_token_is_no_password(self, enrol):
        went, server = enrol(unauthorised('Basic realm="x"'), **self.TOKEN)
        assert "(401, Basic)" in went["error"] and sent(server) == [None, None]
