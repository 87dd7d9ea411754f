"""CRLs that the TLS chain names, over plain HTTP, and what OpenSSL says with them."""

import http.client
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
from cryptography import x509
from outside import PATIENCE, anchor, journal, path_failure, served_chain


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        """Follow nothing."""


def places(server):
    """Return the URLs of the CRLs of the TLS certificate, and of the CA that issued it."""
    found = []
    for certificate in served_chain(server):
        (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        found += [name.value for name in point.full_name]
    return found


def fetched(server, follow=True):
    """Return status and body of each CRL."""
    opener = urllib.request.build_opener(*([] if follow else [_Stay]))
    answers = []
    for url in places(server):
        try:
            with opener.open(url, timeout=PATIENCE) as answer:
                answers.append((answer.status, answer.read()))
        except urllib.error.HTTPError as error:
            answers.append((error.code, b""))
    return answers


def verdict(server, desk):
    """Return what OpenSSL says of the TLS certificate with the CRLs, or None."""
    lists = desk.folder / "crls.pem"
    with open(lists, "wb") as file:
        for status, der in fetched(server):
            assert status == http.client.OK
            file.write(
                subprocess.run(
                    ["openssl", "crl", "-inform", "DER"],
                    input=der,
                    capture_output=True,
                    check=True,
                ).stdout
            )
    leaf, *above = served_chain(server)
    options = ["-crl_check_all", "-CRLfile", lists]
    return path_failure(desk, anchor(server), above, leaf, *options)


@pytest.mark.parametrize("name", ["crl-good", "crl-redirect", "crl-large"])
def test_nothing_is_revoked(role, desk, name):
    assert verdict(role(name), desk) is None


@pytest.mark.parametrize(
    ("name", "depth", "text"),
    [
        ("crl-revoked", 0, "certificate revoked"),
        ("crl-large-revoked", 0, "certificate revoked"),
        ("crl-revoked-issuing", 1, "certificate revoked"),
        ("crl-expired", 0, "CRL has expired"),
        ("crl-forged", 0, "CRL signature failure"),
    ],
)
def test_openssl_refuses_the_chain(role, desk, name, depth, text):
    failure = verdict(role(name), desk)
    assert failure is not None and f"at {depth} depth lookup: {text}" in failure


def test_the_reason_is_a_compromised_key(role):
    server = role("crl-revoked")
    crl = x509.load_der_x509_crl(fetched(server)[0][1])
    entry = crl.get_revoked_certificate_by_serial_number(served_chain(server)[0].serial_number)
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason == x509.ReasonFlags.key_compromise


def test_no_crl_is_there(role):
    assert fetched(role("crl-missing")) == [(404, b""), (404, b"")]


def test_they_are_elsewhere(role):
    assert fetched(role("crl-redirect"), follow=False) == [(302, b""), (302, b"")]


@pytest.mark.parametrize("name", ["crl-large", "crl-large-revoked"])
def test_two_megabytes(role, name):
    (_, large), (_, small) = fetched(role(name))
    assert 1_900_000 < len(large) < 2_300_000 and len(small) < 1000


def test_fetching_is_noted_without_a_connection_number(role):
    server = role("crl-good")
    fetched(server)
    last = journal(server)[-1]
    assert last["path"] == "/root.crl" and last["connection"] is None and last["status"] == 200


def test_certificates_are_made_anew_at_each_start(servers, tmp_path):
    shown = []
    for _ in range(2):
        server = servers.start(tmp_path / "server", "--scenario", "crl-good")
        shown.append(served_chain(server))
        assert server.stop() == 0
    assert not set(shown[0]) & set(shown[1])


def test_an_endless_crl_ends_with_the_server(start):
    server = start("--scenario", "crl-endless")
    place = urllib.parse.urlsplit(places(server)[0])
    with socket.create_connection((place.hostname, place.port), PATIENCE) as client:
        client.sendall(f"GET {place.path} HTTP/1.0\r\n\r\n".encode())
        received = b""
        while len(received.partition(b"\r\n\r\n")[2]) < 5:  # it does arrive, byte by byte
            received += client.recv(9)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5
    assert b" 200 OK" in received and "Traceback" not in server.log


def test_a_client_that_has_enough_of_it_is_no_error(start):
    server = start("--scenario", "crl-endless")
    for url in places(server):
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            assert answer.read(3)
    assert server.curl("cacerts").status == 200
    assert server.stop() == 0 and "Traceback" not in server.log and " 500" not in server.log
