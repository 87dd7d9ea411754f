"""Redirects on each interpreter (RFC 7030 3.2.1): where they lead, and what goes along."""

import contextlib
import hashlib
import ssl

import pytest
import trustme
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scripted_server import ScriptedServer, response

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
BASIC = response(b"", "401 Unauthorized", "", 'WWW-Authenticate: Basic realm="x"')


def moved(location, status="307 Temporary Redirect"):
    return response(b"", status, "", "Location: " + location)


@pytest.fixture
def issued(ca):
    return response(certs_only(issue(ca, KEY.public_key())))


def by_path(anchor, **responses):
    """Return a script that answers by the end of the path; /cacerts with the anchor."""

    def script(connection):
        while each := connection.read_request():
            name = each.head.split(" ")[1].rpartition("/")[2].partition("?")[0]
            answer = responses.get(name, response(certs_only(anchor)))
            connection.send(answer(each) if callable(answer) else answer)

    return script


@contextlib.contextmanager
def pair(context, anchor, elsewhere, location="https://127.0.0.1:%d/x/enrol?a=b#c", other=None):
    """Yield a server that redirects /simpleenroll, and the one to which it does."""
    with ScriptedServer(by_path(anchor, **elsewhere), other or context) as second:
        where = location % second.port if "%d" in location else location
        with ScriptedServer(by_path(anchor, simpleenroll=moved(where)), context) as first:
            yield first, second


def heads(server):
    return [each.head.split("\r\n")[0] for each in server.requests]


class TestWithinTheOrigin:
    @pytest.mark.parametrize(
        "status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"]
    )
    def test_a_post_stays_a_post(self, device, context, anchor, issued, status):
        script = by_path(anchor, simpleenroll=moved("../est2/enrol?x=y#z", status), enrol=issued)
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        assert "results" in went, went
        assert heads(server)[2] == "POST /.well-known/est2/enrol?x=y HTTP/1.1"
        assert server.requests[2].body == server.requests[1].body != b""
        assert server.connections == 1

    def test_the_digest_is_of_the_new_target(self, device, context, anchor, issued):
        challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
        refused = response(b"", "401 Unauthorized", "", challenge)
        script = by_path(
            anchor,
            simpleenroll=moved("/x"),
            x=lambda each: issued if each.header("authorization") else refused,
        )
        with ScriptedServer(script, context) as server:
            went = device.run(
                "simpleenroll",
                port=server.port,
                anchors=[anchor],
                csr=CSR,
                user="u",
                password="Pa55word",
            )
        assert "results" in went, went
        assert 'uri="/x"' in server.requests[-1].header("authorization")

    def test_see_other_is_for_what_is_fetched(self, device, context, anchor, issued):
        script = by_path(
            anchor,
            cacerts=moved("/ca", "303 See Other"),
            simpleenroll=moved("/enrol", "303 See Other"),
            enrol=issued,
        )
        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
            assert "results" in went and heads(server)[1] == "GET /ca HTTP/1.1", went
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        assert went["class"] == "ServerError" and "redirects (303)" in went["error"], went
        assert "GET /enrol HTTP/1.1" not in heads(server)

    def test_loops_are_bounded(self, device, context, anchor):
        for location in ("/a", "simpleenroll", "?", "https://127.0.0.1:%d/a"):

            def script(connection, location=location):
                there = location % server.port if "%d" in location else location
                by_path(anchor, simpleenroll=moved(there), a=moved("b"), b=moved("a"))(connection)

            with ScriptedServer(script, context) as server:
                went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
            assert went["class"] == "ServerError" and "redirects (307)" in went["error"], went
            assert len(server.requests) == 5  # cacerts, and three redirects beyond the first


class TestElsewhere:
    def enrol(self, device, first, second, anchor, **more):
        more.setdefault("redirects", [f"127.0.0.1:{second.port}"])
        return device.run(
            more.pop("operation", "simpleenroll"),
            "cacerts",
            port=first.port,
            anchors=[anchor],
            csr=CSR,
            user="u",
            password="S3cret",
            **more,
        )

    def test_an_allowed_host_over_a_new_verified_connection_and_back(
        self, device, context, anchor, issued
    ):
        with pair(context, anchor, {"enrol": issued}) as (first, second):
            went = self.enrol(device, first, second, anchor)
        assert "results" in went, went
        assert heads(second) == ["POST /x/enrol?a=b HTTP/1.1"]
        assert second.requests[0].body == first.requests[1].body
        assert second.requests[0].header("host") == f"127.0.0.1:{second.port}"
        assert went["handshakes"] == 3 and (first.connections, second.connections) == (2, 1)
        assert heads(first)[2] == "GET /.well-known/est/cacerts HTTP/1.1"

    def test_a_host_that_is_not_allowed_sees_nothing(self, device, context, anchor, issued):
        for redirects in ([], ["127.0.0.1"], ["127.0.0.1:1", "other.example"]):
            with pair(context, anchor, {"enrol": issued}) as (first, second):
                went = self.enrol(device, first, second, anchor, redirects=redirects)
            assert went["class"] == "ServerError" and "not followed" in went["error"], went
            assert second.connections == 0

    def test_never_to_plain_http(self, device, context, anchor, issued):
        plain = "http://127.0.0.1:%d/x/enrol"
        with pair(context, anchor, {"enrol": issued}, plain) as (first, second):
            went = self.enrol(device, first, second, anchor)
        assert went["class"] == "ServerError" and "not followed" in went["error"], went
        assert second.connections == 0

    def test_an_allowed_host_that_is_not_verified(self, device, ca, context, anchor, issued):
        stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(stranger)
        misnamed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("other.example").configure_cert(misnamed)
        for other in (stranger, misnamed):
            with pair(context, anchor, {"enrol": issued}, other=other) as (first, second):
                went = self.enrol(device, first, second, anchor)
            assert went["class"] == "TrustError", went
            assert second.requests == []

    def test_no_credential_goes_along_and_a_challenge_is_answered_afresh(
        self, device, ca, anchor, issued
    ):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        shown = []

        def asks(each):
            return issued if each.header("authorization") else BASIC

        def script(connection):
            shown.append(connection.socket.getpeercert(True))
            by_path(anchor, enrol=asks)(connection)

        own = ec.generate_private_key(ec.SECP256R1())
        key = own.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        with ScriptedServer(script, context) as second:
            where = moved(f"https://127.0.0.1:{second.port}/enrol")
            first_script = by_path(
                anchor, simpleenroll=lambda each: where if each.header("authorization") else BASIC
            )
            with ScriptedServer(first_script, context) as first:
                went = self.enrol(
                    device,
                    first,
                    second,
                    anchor,
                    certificate=issue(ca, own.public_key()),
                    key=key,
                )
        assert "results" in went, went
        assert shown == [None]
        assert [each.header("authorization") for each in second.requests] == [
            None,
            "Basic dTpTM2NyZXQ=",
        ]
        # Home again: what was answered there is sent there again.
        assert first.requests[-1].header("authorization") == "Basic dTpTM2NyZXQ="

    def test_each_host_may_ask_for_digest(self, device, context, anchor, issued):
        def asks(answer):
            challenge = 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'
            refused = response(b"", "401 Unauthorized", "", challenge)
            return lambda each: answer if each.header("authorization") else refused

        with ScriptedServer(by_path(anchor, enrol=asks(issued)), context) as second:
            where = moved(f"https://127.0.0.1:{second.port}/enrol")
            with ScriptedServer(by_path(anchor, simpleenroll=asks(where)), context) as first:
                went = self.enrol(device, first, second, anchor)
        assert "results" in went, went
        assert len(second.requests) == 2

    def test_a_token_at_once_is_for_the_first_host(self, device, context, anchor, issued):
        with pair(context, anchor, {"enrol": issued}) as (first, second):
            went = device.run(
                "simpleenroll",
                port=first.port,
                anchors=[anchor],
                csr=CSR,
                token="t0ken",
                at_once=True,
                redirects=[f"127.0.0.1:{second.port}"],
            )
        assert "results" in went, went
        assert first.requests[1].header("authorization") == "Bearer t0ken"
        assert second.requests[0].header("authorization") is None

    def test_there_and_back_for_ever_is_bounded(self, device, context, anchor):
        def back(connection):
            where = f"https://127.0.0.1:{first.port}/.well-known/est/simpleenroll"
            by_path(anchor, enrol=moved(where))(connection)

        with ScriptedServer(back, context) as second:
            where = moved(f"https://127.0.0.1:{second.port}/enrol")
            with ScriptedServer(by_path(anchor, simpleenroll=where), context) as first:
                went = self.enrol(device, first, second, anchor)
        assert went["class"] == "ServerError" and "redirects (307)" in went["error"], went
        assert len(first.requests) + len(second.requests) == 5

    def test_the_provisional_connection_follows_none(self, device, context, anchor):
        with ScriptedServer(by_path(anchor), context) as second:
            where = moved(f"https://127.0.0.1:{second.port}/cacerts", "302 Found")
            with ScriptedServer(by_path(anchor, cacerts=where), context) as first:
                went = device.run(
                    "cacerts",
                    port=first.port,
                    fingerprint=hashlib.sha256(anchor).hexdigest(),
                    redirects=[f"127.0.0.1:{second.port}"],
                )
        assert went["class"] == "ServerError" and second.connections == 0, went
