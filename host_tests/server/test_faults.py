"""What `estctl server --fault` does on the wire, as Python's own TLS sees it."""

import base64
import contextlib
import gzip
import os
import select
import signal
import socket
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from estctl.server import SettingsError
from estctl.server.faults import CATALOGUE, find
from hostile import FaultyServer
from outside import signed_by

NOTIFY, FIN, RST, OPEN = "close_notify", "FIN", "RST", "open"
QUIET = 0.1  # seconds
MOST = 20_000  # octets of what never ends


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with FaultyServer(tmp_path_factory.mktemp("server")) as server:
        yield server
        server.faults.play(None)


@pytest.fixture(scope="module")
def right(server):
    """The right answer to /cacerts."""
    server.faults.play(None)
    octets, ended = ask(server, "cacerts")
    assert octets.startswith(b"HTTP/1.1 200 OK\r\n") and ended == OPEN
    return octets


def ask(server, operation, body=b"", patience=5):
    """Return (octets, how it ended) of one request on a new connection.

    patience: seconds until the first octet comes; what then is quiet is open.
    """
    context = ssl.create_default_context(cafile=str(server.server.authority.anchors_file))
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # nothing comes before it is asked for
    lines = [f"{'POST' if body else 'GET'} /.well-known/est/{operation} HTTP/1.1", "Host: x"]
    if body:
        login = base64.b64encode(f"device:{server.password}".encode()).decode()
        lines += ["Content-Type: application/pkcs10", f"Authorization: Basic {login}"]
    lines += [f"Content-Length: {len(body)}", "", ""]
    found = b""
    with (
        socket.create_connection(("127.0.0.1", server.port)) as raw,
        context.wrap_socket(
            raw, server_hostname="localhost", suppress_ragged_eofs=False
        ) as connection,
    ):
        connection.sendall("\r\n".join(lines).encode() + body)
        try:
            while len(found) < MOST:
                connection.settimeout(QUIET if found else patience)
                if not connection.pending():
                    _look(connection)
                octets = connection.recv(65536)
                if not octets:
                    return found, NOTIFY
                found += octets
        except TimeoutError:
            return found, OPEN
        except ssl.SSLEOFError:
            return found, FIN
        except ConnectionResetError:
            return found, RST
    return found, OPEN


def _look(connection):
    """Wait for octets, or for the reset that OpenSSL would call an end."""
    select.select([connection], [], [], connection.gettimeout())
    handle = connection.fileno()
    with (
        socket.fromfd(handle, socket.AF_INET, socket.SOCK_STREAM) as raw,
        contextlib.suppress(BlockingIOError),
    ):
        raw.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)


def played(server, text, **how):
    server.faults.play(text)
    return ask(server, "cacerts", **how)


def parts(octets):
    head, _, body = octets.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


@pytest.mark.parametrize(
    ("name", "end"),
    [("truncate", FIN), ("truncate-notify", NOTIFY), ("delay", OPEN), ("cut", FIN)],
)
@pytest.mark.parametrize("octets", [0, 1, 17, 300])
def test_an_answer_ends_after_so_many_octets(server, right, name, end, octets):
    patience = 5 if octets or end != OPEN else QUIET
    found = played(server, f"{name}:{octets}@cacerts", patience=patience)
    assert found == (right[:octets], end)


@pytest.mark.parametrize("octets", [0, 17])
def test_a_reset_comes_after_so_many_octets(server, right, octets):
    found, ended = played(server, f"reset:{octets}@cacerts")
    # What came before it may be lost with it.
    assert right[:octets].startswith(found) and ended == RST


def test_by_itself_a_fault_is_in_the_middle(server, right):
    assert played(server, "truncate@cacerts") == (right[: len(right) // 2], FIN)
    assert played(server, "cut@cacerts") == (b"", FIN)


def test_what_is_late_or_doubled_or_trickles(server, right):
    started = time.monotonic()
    assert played(server, "late@cacerts") == (right, OPEN)
    assert time.monotonic() - started > 3
    assert played(server, "duplicate@cacerts") == (right * 2, OPEN)
    assert played(server, "trickle:100@cacerts") == (right[:101], OPEN)


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name.startswith("endless-")])
def test_endless_is_endless(server, name):
    found, ended = played(server, name + "@cacerts")
    if name.rpartition("-")[2] in ("redirects", "202", "503", "401"):
        again, _ = played(server, name + "@cacerts")
        assert parts(again)[0][0] == parts(found)[0][0] and ended == OPEN
        assert parts(found)[1] == b""
    else:
        assert len(found) >= MOST and ended == OPEN


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("length-too-long", 16), ("length-too-short", -16), ("length-negative", None)],
)
def test_lengths_are_not_those_of_the_body(server, right, name, wrong):
    found, ended = played(server, name + "@cacerts")
    head, body = parts(found)
    said = [int(line.partition(": ")[2]) for line in head if line.startswith("Content-Length")]
    assert said == [-1 if wrong is None else len(body) + wrong]
    assert body == parts(right)[1] and ended == OPEN


def test_bodies_are_wrong_where_they_say_so(server, right):
    head, body = parts(played(server, "compressed@cacerts")[0])
    assert "Content-Encoding: gzip" in head and gzip.decompress(body) == parts(right)[1]
    assert parts(played(server, "empty@cacerts")[0])[1] == b""
    head, body = parts(played(server, "html@cacerts")[0])
    assert head[0] == "HTTP/1.1 200 OK" and body.startswith(b"<!DOCTYPE html>")
    _, body = parts(played(server, "other-base64@cacerts")[0])
    assert base64.b64decode(body).startswith(b"What is this?")
    half = parts(played(server, "half-base64@cacerts")[0])
    assert f"Content-Length: {len(half[1])}" in half[0] and parts(right)[1].startswith(half[1])


class TestIssued:
    def enrolled(self, server, fault):
        """Return (request, the certificate that came for it)."""
        server.faults.play(fault)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name.from_rfc4514_string("CN=pump")
        names = x509.SubjectAlternativeName([x509.DNSName("pump.example")])
        request = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(name)
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        body = base64.encodebytes(request.public_bytes(Encoding.DER))
        head, body = parts(ask(server, "simpleenroll", body)[0])
        assert head[0] == "HTTP/1.1 200 OK", head
        (found,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        assert found.subject == name and signed_by(
            found, server.server.authority.issuing.certificate
        )
        san = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert san.value == names
        return request, found

    @pytest.mark.parametrize("name", [name for name in CATALOGUE if CATALOGUE[name].forge])
    def test_one_thing_is_wrong(self, server, name):
        request, found = self.enrolled(server, name)
        ours = found.public_key() == request.public_key()
        ca = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        begin, end = found.not_valid_before_utc, found.not_valid_after_utc
        now = begin.now(begin.tzinfo)
        times = (begin <= now, now <= end, begin <= end)
        right = (True, True, True)
        assert {
            "other-key": (not ours, ca, times) == (True, False, right),
            "ca-certificate": (ours, ca, times) == (True, True, right),
            "reversed-validity": (ours, ca, times) == (True, False, (False, False, False)),
            "expired-certificate": (ours, ca, times) == (True, False, (True, False, True)),
            "not-yet-certificate": (ours, ca, times) == (True, False, (False, True, True)),
            "10000-years": (ours, ca, times) == (True, False, right),
        }[name]
        if name == "10000-years":
            assert b"\x18\x0f99991231235959Z" in found.public_bytes(Encoding.DER)


def test_where_nobody_says_a_place_it_plays_where_certificates_are_issued(server, right):
    assert played(server, "banner") == (right, OPEN)
    assert ask(server, "simpleenroll", b"x")[0].startswith(b"SSH")
    # Who is asked for credentials first hears that.
    server.faults.play("banner@all")
    assert ask(server, "cacerts")[0].startswith(b"SSH")
    server.faults.play("html@simpleenroll", times=1)
    assert b"<html>" in ask(server, "simpleenroll", b"x")[0]
    assert b"<html>" not in ask(server, "simpleenroll", b"x")[0]


def test_what_is_no_fault_is_refused_with_a_list(refused):
    status, text = refused("--fault", "fire")
    assert status == 2 and all(name in text for name in CATALOGUE) and text.count("\n") == 1
    for wrong in ("html:9", "cut:x", "cut:-1", "cut@nowhere", "other-key@cacerts", "@", ""):
        with pytest.raises(SettingsError):
            find(wrong)


def test_a_signal_ends_a_fault(start):
    server = start("--fault", "empty@cacerts")
    assert "fault empty at cacerts" in server.log
    assert server.curl("cacerts").body == b""
    os.kill(int(server.facts["pid"]), signal.SIGUSR1)
    deadline = time.monotonic() + 10
    while "the fault has ended" not in server.log and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.curl("cacerts").body != b""
    assert "fault empty played" in server.log


def test_a_fault_and_a_profile_go_together(start):
    server = start("--fault", "half-base64@cacerts", "--profile", "globalsign")
    answer = server.curl("cacerts", "--insecure", "--no-alpn")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert b"\n" not in answer.body  # the profile's base64 is on one line
