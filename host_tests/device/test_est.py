"""est.Client on each interpreter: what must work, and everything that must fail with one error."""

import base64
import datetime
import hashlib
import json
import socket
import ssl
import time

import pytest
import trustme
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from probing import HEAP, LIMITS, der
from scripted_server import ScriptedServer, answers, by_path, response

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
# What a step may take beyond its deadline: an interpreter's start on a busy machine.
GRACE = 5


def fails(outcome, kind, *texts):
    """Check that an operation failed with one clear error, within the longest deadline."""
    assert outcome.get("class") == kind, outcome
    for text in texts:
        assert text in outcome["error"], outcome
    assert outcome["seconds"] < sum(LIMITS.values()) + GRACE
    assert "\n" not in outcome["error"]


class TestOperations:
    def test_all_operations_share_one_connection(self, device, ca, context, anchor):
        issued = issue(ca, KEY.public_key())
        script = answers(
            response(certs_only(anchor)),
            response(b"", "204 No Content", ""),
            response(
                certs_only(issued), "200 OK", "application/pkcs7-mime; smime-type=certs-only"
            ),
        )
        with ScriptedServer(script, context) as server:
            went = device.run(
                "cacerts", "csrattrs", "simpleenroll", port=server.port, anchors=[anchor], csr=CSR
            )
        assert went["results"] == [[anchor.hex()], None, issued.hex()]
        assert went["handshakes"] == server.connections == 1
        heads = [sent.head.split("\r\n")[0] for sent in server.requests]
        assert heads[2] == "POST /.well-known/est/simpleenroll HTTP/1.1"
        assert server.requests[2].header("content-type") == "application/pkcs10"
        lines = server.requests[2].body.split(b"\n")
        assert max(map(len, lines)) == 64 and lines[-1] == b""

    def test_a_label_stands_in_the_path(self, device, context, anchor):
        with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
            device.run("cacerts", port=server.port, anchors=[anchor], label="a/b")
        assert server.requests[0].head.startswith("GET /.well-known/est/a/b/cacerts HTTP/1.1")

    def test_a_fingerprint_costs_one_provisional_and_one_verified_connection(
        self, device, ca, context, anchor
    ):
        issued = issue(ca, KEY.public_key())
        heads = []

        def script(connection):
            while sent := connection.read_request():
                heads.append(sent)
                body = certs_only(issued if "enroll" in sent.head else anchor)
                connection.send(response(body))

        with ScriptedServer(script, context) as server:
            went = device.run(
                "cacerts",
                "simpleenroll",
                port=server.port,
                fingerprint=hashlib.sha256(anchor).hexdigest(),
                csr=CSR,
            )
        assert went["results"][1] == issued.hex()
        assert went["handshakes"] == server.connections == 2

    def test_a_sha_512_fingerprint(self, device, context, anchor):
        pin = hashlib.sha512(anchor).hexdigest().upper()
        with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
            went = device.run("cacerts", port=server.port, fingerprint=pin)
        assert went.get("results") == [[anchor.hex()]], went

    def test_what_does_not_chain_to_the_pinned_root_is_left_out(self, device, context, anchor):
        stranger = der(trustme.CA().cert_pem.bytes())
        body = certs_only(stranger, anchor)
        with ScriptedServer(answers(response(body)), context) as server:
            went = device.run(
                "cacerts", port=server.port, fingerprint=hashlib.sha256(anchor).hexdigest()
            )
        assert went["results"] == [[anchor.hex()]]

    def test_201_and_a_missing_content_type_are_taken(self, device, context, anchor):
        answer = response(certs_only(anchor), "201 Created", "")
        with ScriptedServer(answers(answer), context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["results"] == [[anchor.hex()]]

    def test_a_chunked_body_sent_byte_by_byte(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            body = certs_only(anchor)
            for i in range(0, len(body), 100):
                piece = body[i : i + 100]
                connection.send(b"%x;x=y\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\nTrailer: x\r\n\r\n")

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["results"] == [[anchor.hex()]]

    def test_a_tls_certificate_of_another_ca_than_the_est_ca(self, device, context, anchor):
        est_ca = trustme.CA()
        issued = issue(est_ca, KEY.public_key())
        script = by_path(
            cacerts=certs_only(der(est_ca.cert_pem.bytes())), enroll=certs_only(issued)
        )
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        assert went.get("results") == [issued.hex()], went
        assert went["handshakes"] == 2  # a changed database wants a new TLS session

    def test_cacerts_without_the_root_and_an_enrolment_with_its_chain(
        self, device, ca, context, anchor
    ):
        issuing = ca.create_child_ca()
        issuing_der = der(issuing.cert_pem.bytes())
        issued = issue(issuing, KEY.public_key())
        script = answers(
            response(certs_only(issuing_der)), response(certs_only(issuing_der, issued))
        )
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        assert went.get("results") == [issued.hex()], went

    def test_head_and_body_in_records_of_their_own_and_odd_headers(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            body = certs_only(anchor).replace(b"\n", b"") + b"  \0"
            connection.send(
                b"HTTP/1.1 200 OK\r\nStatus: 200 OK\r\ncontent-length: %d\r\n" % len(body)
            )
            for i in range(0, len(b"\r\n" + body), 99):
                connection.send((b"\r\n" + body)[i : i + 99])

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went.get("results") == [[anchor.hex()]], went

    def test_a_redirect_within_the_origin_is_followed(self, device, context, anchor):
        def script(connection):
            here = f"https://127.0.0.1:{server.port}"
            for location in ("/elsewhere/cacerts", here + "/again"):
                connection.read_request()
                connection.send(response(b"", "307 Moved", "", "Location: " + location))
            connection.read_request()
            connection.send(response(certs_only(anchor)))

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["handshakes"] == 1
        assert server.requests[1].head.startswith("GET /elsewhere/cacerts ")
        assert server.requests[2].head.startswith("GET /again ")

    @pytest.mark.parametrize(
        "answer",
        [
            response(b"", "404 Not Found"),
            response(b"", "501 Not Implemented"),
            response(b"MAA=", "200 OK", "application/csrattrs"),
            response(b"", "200 OK", "application/csrattrs"),
        ],
        ids=["404", "501", "empty sequence", "empty body"],
    )
    def test_a_server_without_csrattrs(self, device, context, anchor, answer):
        with ScriptedServer(answers(answer), context) as server:
            went = device.run("csrattrs", port=server.port, anchors=[anchor])
        assert went["results"] == [None]

    def test_csrattrs_are_parsed(self, device, context, anchor):
        body = (
            b"MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjO\n"
            b"PQQDAw=="
        )
        with ScriptedServer(answers(response(body)), context) as server:
            went = device.run("csrattrs", port=server.port, anchors=[anchor])
        assert went["results"][0][0] == "challengePassword (1.2.840.113549.1.9.7)"

    def test_what_came_since_the_last_answer_is_no_answer(self, device, context, anchor):
        wanted = response(b"", "200 OK", "application/csrattrs")
        unasked = response(b"MAA=", "500 Nobody Asked", "text/plain")

        def script(connection):
            if server.connections > 1:
                answers(wanted)(connection)
            else:
                connection.read_request()
                connection.send(response(certs_only(anchor)))
                time.sleep(0.1)
                connection.send(unasked)
                connection.read_request()

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", "pause", "csrattrs", port=server.port, anchors=[anchor])
        assert went.get("results"), went
        assert went["results"][1] is None and server.connections == 2

    def test_a_damaged_template_is_refused(self, device, context, anchor):
        broken = bytes.fromhex("30153013060b2a864886f70d010910023d310430020500")  # no version
        body = base64.b64encode(broken)
        with ScriptedServer(answers(response(body)), context) as server:
            went = device.run("csrattrs", port=server.port, anchors=[anchor])
        fails(went, "DerError", "csrattrs: DER")


class TestAuthentication:
    CHALLENGE = response(b"", "401 Unauthorized", "", 'www-authenticate: BASIC realm="x"')

    def enrol(self, device, server, anchor, **more):
        return device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR, **more)

    def test_basic_answers_the_challenge_of_a_verified_server_once(
        self, device, ca, context, anchor
    ):
        issued = response(certs_only(issue(ca, KEY.public_key())))
        script = answers(response(certs_only(anchor)), self.CHALLENGE, issued, issued)
        with ScriptedServer(script, context) as server:
            went = device.run(
                "simpleenroll",
                "simpleenroll",
                port=server.port,
                anchors=[anchor],
                csr=CSR,
                user="pump",
                password="long pass word: ä",
            )
        assert len(went["results"]) == 2 and went["handshakes"] == 1
        sent = [sent.header("authorization") for sent in server.requests]
        value = "Basic cHVtcDpsb25nIHBhc3Mgd29yZDogw6Q="
        assert sent == [None, None, value, value]

    def test_a_request_is_not_sent_again_once_its_answer_has_begun(self, device, context, anchor):
        """A second certificate would be issued, or a one-time code be used up."""

        def cut(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor)))
            connection.read_request()
            connection.send(b"HTTP/1.1 20")

        with ScriptedServer(cut, context) as server:
            outcome = device.run(
                "cacerts", "simpleenroll", port=server.port, anchors=[anchor], csr=CSR
            )
        fails(outcome, "NetworkError", "ended inside a head")
        assert (server.connections, len(server.requests)) == (1, 2)

    def test_a_server_that_closes_after_the_401_gets_a_new_connection(
        self, device, ca, context, anchor
    ):
        issued = issue(ca, KEY.public_key())

        def script(connection):
            while sent := connection.read_request():
                if "cacerts" in sent.head:
                    connection.send(response(certs_only(anchor)))
                elif sent.header("authorization"):
                    connection.send(response(certs_only(issued)))
                else:
                    connection.send(self.CHALLENGE)
                    return  # closed, and not announced

        with ScriptedServer(script, context) as server:
            went = self.enrol(device, server, anchor, user="u", password="Pa55word")
        assert went.get("results") == [issued.hex()], went
        assert server.connections == 2

    def test_wrong_credentials(self, device, context, anchor):
        script = answers(response(certs_only(anchor)), self.CHALLENGE, self.CHALLENGE)
        with ScriptedServer(script, context) as server:
            went = self.enrol(device, server, anchor, user="u", password="S3cret")
        fails(went, "AuthError", "simpleenroll", "refused user name and password (401)")
        assert "S3cret" not in went["error"] and "UzNjcmV0" not in str(went)

    def test_no_credentials(self, device, context, anchor):
        script = answers(response(certs_only(anchor)), self.CHALLENGE)
        with ScriptedServer(script, context) as server:
            went = self.enrol(device, server, anchor)
        fails(went, "AuthError", "other credentials (401, BASIC)")

    def test_an_unverified_server_gets_no_credentials(self, device, context):
        with ScriptedServer(answers(self.CHALLENGE), context) as server:
            went = device.run(
                "cacerts", port=server.port, fingerprint="00" * 32, user="u", password="Pa55word"
            )
        fails(went, "AuthError", "401")
        assert [sent.header("authorization") for sent in server.requests] == [None]

    def test_a_server_that_needs_a_client_certificate(self, device, ca, anchor):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["class"] in ("TlsRefused", "NetworkError"), went
        assert "client certificate" in went["error"]


class TestTrust:
    def expect(self, device, context, anchors, *texts, host="127.0.0.1", **more):
        with ScriptedServer(answers(response(b"")), context) as server:
            went = device.run("cacerts", port=server.port, anchors=anchors, host=host, **more)
        fails(went, "TrustError", "cacerts", *texts)
        assert server.requests == [], "a request reached a server that was not verified"

    def served(self, ca, *names, **dates):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(*names, **dates).configure_cert(context)
        return context

    def test_an_unknown_ca(self, device, context):
        other = der(trustme.CA().cert_pem.bytes())
        self.expect(device, context, [other], "does not lead to a trust anchor")

    def test_a_certificate_for_another_host(self, device, ca, anchor):
        context = self.served(ca, "other.example")
        self.expect(device, context, [anchor], "another host name")

    def test_a_certificate_that_names_its_host_in_the_subject_only(
        self, device, ca, anchor, tmp_path
    ):
        # mbedTLS takes the common name where there is no subjectAltName; RFC 7030 3.6 does not.
        server_key = ec.generate_private_key(ec.SECP256R1())
        made = issue(ca, server_key.public_key(), name="127.0.0.1")
        (tmp_path / "server.pem").write_text(ssl.DER_cert_to_PEM_cert(made))
        encoded = server_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode()
        with open(tmp_path / "server.pem", "a") as file:
            file.write(encoded)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        text = "no subjectAltName" if device.name != "cpython" else ""  # OpenSSL says it itself
        self.expect(device, context, [anchor], text)

    def test_an_expired_server_certificate(self, device, ca, anchor):
        now = datetime.datetime.now(datetime.timezone.utc)
        context = self.served(ca, "127.0.0.1", not_after=now - datetime.timedelta(days=1))
        self.expect(device, context, [anchor], "has expired", "clock says 20")

    def test_a_server_certificate_that_is_not_valid_yet(self, device, ca, anchor):
        now = datetime.datetime.now(datetime.timezone.utc)
        context = self.served(ca, "127.0.0.1", not_before=now + datetime.timedelta(days=2))
        self.expect(device, context, [anchor], "not valid yet", "clock says 20", "is it set?")

    def test_another_fingerprint_shows_both(self, device, context, anchor):
        with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
            went = device.run("cacerts", port=server.port, fingerprint="ab" * 32)
        # With the root's name, so that a person knows which one to compare.
        text = f": {hashlib.sha256(anchor).hexdigest()}"
        fails(went, "TrustError", "ab" * 32, "the server sent the root O=trustme", text)

    def test_a_fingerprint_of_something_that_is_no_root(self, device, ca, context, anchor):
        leaf = issue(ca, KEY.public_key())
        with ScriptedServer(answers(response(certs_only(leaf, anchor))), context) as server:
            went = device.run(
                "cacerts", port=server.port, fingerprint=hashlib.sha256(leaf).hexdigest()
            )
        fails(went, "TrustError", "not a self-signed root")

    def test_a_pinned_root_that_is_not_valid(self, device, context):
        ca = trustme.CA()
        key = load_pem_private_key(ca.private_key_pem.bytes(), None).public_key()
        for options, text in (({"days": -1}, "has expired"), ({}, "is not a CA certificate")):
            made = issue(ca, key, name=None, is_ca="days" in options, **options)
            pin = hashlib.sha256(made).hexdigest()
            with ScriptedServer(answers(response(certs_only(made))), context) as server:
                went = device.run("cacerts", port=server.port, fingerprint=pin)
            fails(went, "TrustError", text)

    def test_an_issued_certificate_of_another_ca(self, device, context, anchor):
        issued = issue(trustme.CA(), KEY.public_key())
        script = answers(response(certs_only(anchor)), response(certs_only(issued)))
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "TrustError", "simpleenroll", "no path to a trust anchor")


class TestNetwork:
    def test_no_server(self, device, anchor):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        fails(device.run("cacerts", port=port, anchors=[anchor]), "NetworkError", str(port))

    def test_a_name_that_does_not_exist(self, device, anchor):
        went = device.run("cacerts", host="no-such-host.invalid", port=1, anchors=[anchor])
        fails(went, "NetworkError", "no-such-host.invalid")

    def test_a_server_that_never_starts_tls(self, device, anchor):
        with ScriptedServer(lambda connection: time.sleep(6), None) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "DeadlineError", "within 3 s")

    def test_a_server_that_speaks_no_tls(self, device, anchor):
        with ScriptedServer(lambda c: c.send(b"SSH-2.0-x\r\n" * 9), None) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "NetworkError", str(server.port))

    def test_a_server_that_never_answers(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            connection.read_request()

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "DeadlineError", "within 2 s")

    def test_a_server_that_trickles(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            for c in response(certs_only(anchor)):
                connection.send(bytes([c]))
                time.sleep(0.2)

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "DeadlineError", "longer than 4 s")

    def test_a_server_that_closes_at_once(self, device, context, anchor):
        with ScriptedServer(lambda connection: None, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "NetworkError", "cacerts")

    def test_an_opening_that_is_cancelled_leaves_no_socket(self, device, context, anchor):
        with ScriptedServer(lambda connection: connection.read_request(), context) as server:
            wish = {"port": server.port, "anchors": [anchor.hex()]}
            done = device._execute("cancel_probe.py", json.dumps(wish), HEAP)
        assert done.stdout, done.stderr
        found = json.loads(done.stdout)
        assert found["cancelled"] and found["handles"] == 0, found


class TestBadAnswers:
    def get(self, device, context, anchor, *answer, **more):
        with ScriptedServer(answers(*answer), context) as server:
            return device.run("cacerts", port=server.port, anchors=[anchor], **more)

    def test_html(self, device, context, anchor):
        page = response(b"<html><body>Login</body></html>", "200 OK", "text/html; charset=utf-8")
        went = self.get(device, context, anchor, page)
        fails(went, "ProtocolError", "text/html", "is the URL right?")

    def test_garbage_base64(self, device, context, anchor):
        went = self.get(device, context, anchor, response(b"!!!! not base64"))
        fails(went, "ProtocolError", "base64")

    def test_base64_of_garbage(self, device, context, anchor):
        fails(self.get(device, context, anchor, response(b"AAAABBBB")), "DerError", "DER")

    def test_a_truncated_body(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor))[:-50])

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        fails(went, "NetworkError", "ended inside the body")

    def test_a_truncated_body_of_unknown_length(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            body = certs_only(anchor)
            connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + body[: len(body) // 2 // 4 * 4])

        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["class"] in ("DerError", "ProtocolError"), went

    def test_a_body_over_the_limit(self, device, context, anchor):
        body = certs_only(anchor)
        went = self.get(device, context, anchor, response(body), limits={"MAX_BODY": 100})
        fails(went, "LimitError", "larger than")

    def test_too_many_certificates(self, device, context, anchor):
        went = self.get(
            device,
            context,
            anchor,
            response(certs_only(anchor, anchor)),
            limits={"MAX_CERTIFICATES": 1},
        )
        fails(went, "LimitError", "more than 1 certificates")

    def test_no_certificate(self, device, context, anchor):
        went = self.get(device, context, anchor, response(b"MA=="))
        assert went["class"] == "DerError", went

    def test_the_servers_reason_is_shown_bounded(self, device, context, anchor):
        reason = b"no such label\r\n\x1b[2J" + b"x" * 1000
        went = self.get(device, context, anchor, response(reason, "400 Bad", "text/plain"))
        fails(went, "ServerError", "cacerts", "(400): no such label [2Jxxx")
        assert len(went["error"]) < 260

    def test_not_yet(self, device, context, anchor):
        later = response(b"", "202 Accepted", "", "Retry-After: 3600")
        script = answers(response(certs_only(anchor)), later)
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "RetryLater", "not yet (202); try again in 3600 s")
        assert went["retry_after"] == 3600

    def test_a_retry_after_without_end_is_bounded(self, device, context, anchor):
        later = response(b"", "503 Busy", "", "Retry-After: " + "9" * 50)
        went = self.get(device, context, anchor, later, limits={"MAX_RETRY_AFTER": 7200})
        fails(went, "RetryLater", "it is busy (503); try again in 7200 s")
        assert went["retry_after"] == 7200

    def test_not_yet_without_a_length_and_closed(self, device, context, anchor):
        def script(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor)))
            connection.read_request()
            connection.send(b"HTTP/1.1 202 Accepted\r\nRetry-After: 5\r\n\r\n")

        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "RetryLater", "202")

    def test_a_redirect_elsewhere_is_not_followed(self, device, context, anchor):
        for target in ("https://other.example/x", "http://127.0.0.1/x", "//other.example/x"):
            moved = response(b"", "302 Found", "", "Location: " + target)
            went = self.get(device, context, anchor, moved)
            fails(went, "ServerError", "redirects (302)", "not followed")

    def test_the_provisional_connection_follows_no_redirect(self, device, context):
        moved = response(b"", "302 Found", "", "Location: /elsewhere")
        with ScriptedServer(answers(moved), context) as server:
            went = device.run("cacerts", port=server.port, fingerprint="ab" * 32)
        fails(went, "ServerError", "redirects (302)")
        assert len(server.requests) == 1

    def test_endless_redirects(self, device, context, anchor):
        moved = response(b"", "302 Found", "", "Location: /again")
        fails(self.get(device, context, anchor, *[moved] * 9), "ServerError", "redirects")

    def test_a_certificate_for_another_key(self, device, ca, context, anchor):
        issued = issue(ca, ec.generate_private_key(ec.SECP256R1()).public_key())
        script = answers(response(certs_only(anchor)), response(certs_only(issued)))
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "ProtocolError", "simpleenroll", "for another key")

    def test_a_ca_certificate_for_the_device(self, device, ca, context, anchor):
        issued = issue(ca, KEY.public_key(), is_ca=True)
        script = answers(response(certs_only(anchor)), response(certs_only(issued)))
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "ProtocolError", "CA certificate")

    def test_an_issued_certificate_that_has_expired(self, device, ca, context, anchor):
        issued = issue(ca, KEY.public_key(), days=-1)
        script = answers(response(certs_only(anchor)), response(certs_only(issued)))
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        fails(went, "TrustError", "expired")
