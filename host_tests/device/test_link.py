"""Linked requests (RFC 7030 3.5) on each interpreter: one for each TLS connection."""

import base64
import json
import ssl

import pytest
from certs_only import certs_only, issue
from cryptography import x509
from cryptography.x509.oid import AttributeOID
from probing import HEAP
from scripted_server import ScriptedServer, response

BASIC = {"user": "device", "password": "one-time"}


@pytest.fixture
def old_context(ca):
    """A server context for TLS 1.2 alone."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    ca.issue_cert("127.0.0.1").configure_cert(made)
    return made


class Judge:
    """A CA that takes a linked request alone, and does what it is told before that."""

    def __init__(self, ca, anchor, *refusals):
        """refusals: an answer (bytes), and whether the connection ends then, one after another."""
        self.ca, self.anchor = ca, anchor
        self.refusals = list(refusals)
        self.passwords = []  # (in the request, the connection's own)

    def __call__(self, connection):
        while sent := connection.read_request():
            if sent.head.startswith("GET"):
                connection.send(response(certs_only(self.anchor)))
                continue
            request = x509.load_der_x509_csr(base64.b64decode(sent.body))
            assert request.is_signature_valid
            self.note(request, connection.socket)
            if self.refusals:
                answer, ends = self.refusals.pop(0)
                if answer:
                    connection.send(answer)
                if ends:
                    return
                continue
            connection.send(response(certs_only(issue(self.ca, request.public_key()))))

    def note(self, request, tls):
        try:
            found = request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD)
        except x509.AttributeNotFound:
            found = None
        own = None
        if tls.version() == "TLSv1.2":
            own = base64.b64encode(tls.get_channel_binding("tls-unique"))
        self.passwords.append((found and found.value, own))


def run(device, judge, context, **wish):
    with ScriptedServer(judge, context) as server:
        wish = {"port": server.port, "anchors": [judge.anchor.hex()], **wish}
        done = device._execute("link_probe.py", json.dumps(wish), HEAP)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def unauthorized(*more):
    challenge = 'WWW-Authenticate: Basic realm="est"'
    return response(b"", "401 Unauthorized", "", challenge, *more)


REFUSALS = {
    "granted at once": (),
    "401 on the same connection": ((unauthorized(), False),),
    "401 that ends it": ((unauthorized("Connection: close"), True),),
    "401 that ends it without a word": ((unauthorized(), True),),
    "the connection breaks before the answer": ((b"", True),),
}


@pytest.mark.parametrize("story", REFUSALS)
def test_each_connection_has_its_own_request(device, ca, old_context, anchor, story):
    refusals = REFUSALS[story]
    judge = Judge(ca, anchor, *refusals)
    went = run(device, judge, old_context, **BASIC)
    assert went["error"] is None, went
    if device.name != "cpython":
        # Stock MicroPython has no tls-unique: nothing stands in its place (3.5), and the request
        # need not be made twice.
        assert went["first"] is None and went["bindings"] == [None]
        assert {found for found, _ in judge.passwords} == {None}
        return
    assert len(judge.passwords) == 1 + len(refusals)
    for found, own in judge.passwords:
        assert found == own and len(found) <= 255
    connections = 1 + sum(ends for _, ends in refusals)
    assert went["handshakes"] == len(went["bindings"]) == connections
    assert len(set(went["bindings"])) == connections


def test_under_implicit_anchors_the_request_is_linked_too(device, ca, old_context, anchor):
    judge = Judge(ca, anchor)
    went = run(device, judge, old_context, anchors=[], implicit=[anchor.hex()], **BASIC)
    assert went["error"] is None, went
    found, own = judge.passwords[0]
    assert found == (own if device.name == "cpython" else None)


def test_in_tls_1_3_nothing_stands_in_challenge_password(device, ca, context, anchor):
    judge = Judge(ca, anchor)
    went = run(device, judge, context, **BASIC)
    assert went["error"] is None and went["bindings"] == [None]
    assert judge.passwords[0][0] is None


def test_after_a_redirect_to_another_origin_the_request_is_linked_anew(
    device, ca, old_context, anchor
):
    there = Judge(ca, anchor)
    with ScriptedServer(there, old_context) as other:
        elsewhere = f"127.0.0.1:{other.port}"
        location = f"Location: https://{elsewhere}/est/simpleenroll"
        here = Judge(ca, anchor, (response(b"", "307 Temporary Redirect", "", location), False))
        went = run(device, here, old_context, redirects=[elsewhere])
    assert went["error"] is None, went
    assert len(here.passwords) == len(there.passwords) == 1
    if device.name != "cpython":
        assert here.passwords[0][0] is None and there.passwords[0][0] is None
        return
    for found, own in here.passwords + there.passwords:
        assert found == own, "linked to the connection that carries it"
    assert here.passwords != there.passwords and len(went["bindings"]) == went["handshakes"] == 2
