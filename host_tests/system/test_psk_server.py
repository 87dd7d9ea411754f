"""`estctl server --psk`: certificate-less TLS with a pre-shared key (RFC 7030 3.3.3), for real.

Server, host client and board run in a CPython that has PSK (3.13 on).
"""

import json
import socket
import ssl
import stat
import sys

import pytest
from commands import estctl, openssl
from setup import psk_python
from setup.progress import SetupError, complaint

VERSIONS = ["1.2", "1.3"]


@pytest.fixture(scope="module")
def python():
    """A Python with PSK that runs estctl; where there is none, these tests are skipped."""
    try:
        return psk_python.provide()
    except SetupError as error:
        pytest.skip(f"no Python with PSK: {complaint(error)}")


@pytest.fixture(scope="module")
def start(python, servers, tmp_path_factory):
    """Start a server with a pre-shared key: start(options...)."""

    def started(*options):
        folder = tmp_path_factory.mktemp("psk")
        return servers.start(folder, "--psk", *options, python=python)

    return started


@pytest.fixture(scope="module")
def serving(start):
    """Return the server of a TLS version, which the tests share."""
    running = {}

    def found(tls):
        if tls not in running:
            running[tls] = start("--tls", tls)
        return running[tls]

    return found


def psk(server, key_file=None, identity=None):
    return [
        *("--url", server.url, "--psk-identity", identity or server.psk_identity),
        *("--psk-key-file", key_file or server.psk_key_file),
    ]


def new(folder):
    return ["--subject", "CN=pump", "--out-cert", folder / "c.pem", "--out-key", folder / "k.pem"]


def log(server):
    return (server.folder / "log").read_text()


def wrong_key(server, folder):
    """Return a file of the server's key with one octet changed."""
    with open(server.psk_key_file) as file:
        key = bytearray.fromhex(file.read())
    key[0] ^= 1
    (folder / "wrong").write_text(key.hex() + "\n")
    return folder / "wrong"


@pytest.mark.parametrize("tls", VERSIONS)
def test_a_board_enrols_with_its_key_and_lives_on_with_its_certificate(
    serving, python, tmp_path, tls
):
    server = serving(tls)
    board = ["--flash", tmp_path / "flash", "--interpreter", "cpython", "--json"]
    done = estctl("device", *board, *psk(server), python=python)
    assert done.status == 0, done.err
    assert done.json["trust"]["authorised_by"] == "psk, identity"
    assert done.json["trust"]["origin"] == "psk"
    assert done.json["verified"].startswith("key matches, chain leads to the CA")
    assert "simpleenroll 200 pre-shared key of device issued" in log(server)
    # The key has served; what it brought is enough from now on, without one.
    settings = json.loads((tmp_path / "flash/device.json").read_text())
    assert settings["credential"] == {"spent": True}
    again = estctl("device", *board, python=python)
    assert again.status == 0 and again.json["serial"] == done.json["serial"]
    with open(server.psk_key_file) as file:
        key = file.read().strip()
    assert key not in done.out + done.err + log(server) + again.out


@pytest.mark.parametrize("tls", VERSIONS)
def test_estctl_enrols_with_the_key_and_renews_with_the_certificate(
    serving, python, tmp_path, tls
):
    server = serving(tls)
    ca = ["--out-ca", tmp_path / "ca.pem"]
    done = estctl("enroll", *psk(server), *new(tmp_path), *ca, "--json", python=python)
    assert done.status == 0, done.err
    assert done.json["authorised_by"] == "psk, identity"
    chain = ["-untrusted", tmp_path / "c.pem", tmp_path / "c.pem"]
    openssl("verify", "-CAfile", server.anchors, *chain)
    mine = ["--cert", tmp_path / "c.pem", "--key", tmp_path / "k.pem"]
    at = ["--url", server.url, "--anchors", tmp_path / "ca.pem"]
    renewed = estctl("reenroll", *at, *mine, "--out-cert", tmp_path / "c2.pem")
    assert renewed.status == 0, renewed.err


@pytest.mark.parametrize("tls", VERSIONS)
def test_who_does_not_know_the_key_gets_nothing(start, python, tmp_path, tls):
    server = start("--tls", tls)
    wrong = wrong_key(server, tmp_path)
    told = "not take the pre-shared key|refused the pre-shared key|no knowledge of the key"
    board = ["--flash", tmp_path / "flash", "--interpreter", "cpython"]
    for options in (psk(server, wrong), psk(server, identity="somebody")):
        for command in (("enroll", *new(tmp_path)), ("device", *board)):
            done = estctl(*command, *options, python=python)
            assert done.status in (1, 3), done.out + done.err
            assert any(text in done.err for text in told.split("|")), done.err
            assert wrong.read_text().strip() not in done.err
    assert "/.well-known/est" not in log(server), "nothing was asked"
    assert not (tmp_path / "c.pem").exists()


def test_the_server_proves_that_it_knows_the_key(servers, start, python, tmp_path):
    """One of the same name with a key of its own is nobody: it cannot read the client's."""
    server, attacker = start(), start()
    done = estctl("enroll", *psk(attacker, server.psk_key_file), *new(tmp_path), python=python)
    assert done.status in (1, 3) and "/.well-known/est" not in log(attacker)
    # And one with a certificate alone, whoever issued it.
    plain = servers.start(tmp_path / "plain")
    anchors = ["--anchors", plain.anchors]
    credential = psk(server)[2:]
    options = ["--url", plain.url, *anchors, *credential]
    done = estctl("enroll", *options, *new(tmp_path), python=python)
    assert done.status in (1, 3) and "/.well-known/est" not in log(plain)


@pytest.mark.parametrize("tls", VERSIONS)
def test_others_are_served_as_always(serving, tmp_path, tls):
    server = serving(tls)
    done = estctl("enroll", *server.at, *server.credential, *new(tmp_path))
    assert done.status == 0, done.err
    without = estctl("enroll", *server.at, *new(tmp_path), "--force")
    assert without.status == 1 and "401" in without.err


@pytest.mark.parametrize("tls", VERSIONS)
def test_a_resumed_session_is_not_taken_for_the_key(serving, tls):
    server = serving(tls)
    context = ssl.create_default_context(cafile=server.anchors)
    address = ("127.0.0.1", int(server.url.rpartition(":")[2]))
    session, answers = None, []
    for _ in range(2):
        with (
            socket.create_connection(address, 20) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as wrapped,
        ):
            wrapped.sendall(
                b"POST /.well-known/est/simpleenroll HTTP/1.1\r\n"
                b"Host: x\r\nContent-Length: 0\r\n\r\n"
            )
            answers.append(wrapped.recv(4096)[:12])
            session = wrapped.session
    assert answers == [b"HTTP/1.1 401"] * 2


def test_a_key_of_ones_own_and_another_identity(start, python, tmp_path):
    key = tmp_path / "key"
    key.write_text("00112233445566778899aabbccddeeff\n")
    server = start("--psk-identity", "pump 7", "--psk-key-file", str(key))
    assert (server.psk_identity, server.psk_key_file) == ("pump 7", str(key))
    assert not (server.folder / "psk").exists()
    done = estctl("enroll", *psk(server), *new(tmp_path), python=python)
    assert done.status == 0, done.err
    assert "pre-shared key of pump 7" in log(server)


def test_a_made_key_is_its_owners_alone_and_stays(start, servers, python):
    server = start()
    path = server.folder / "psk"
    key = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(bytes.fromhex(key)) == 32
    servers.end(server.pid)
    servers.start(server.folder, "--psk", python=python)
    assert path.read_text() == key and key.strip() not in log(server)


def test_what_makes_no_server(python, tmp_path):
    key = tmp_path / "key"
    at = ["server", "--port", 0, "--dir", tmp_path / "server"]
    for text in ("0011", "no hex but a secret", "00" * 65, ""):
        key.write_text(text)
        done = estctl(*at, "--psk", "--psk-key-file", key, python=python)
        assert done.status == 2 and "16 to 64 random bytes in hex" in done.err
        assert not text or text not in done.err
    for identity in ("", "x" * 129, "a\nb"):
        done = estctl(*at, "--psk", "--psk-identity", identity, python=python)
        assert done.status == 2 and "identity of a pre-shared key" in done.err
    done = estctl(*at, "--psk-identity", "device", python=python)
    assert done.status == 2 and "belong to --psk" in done.err
    done = estctl(*at, "--psk", "--psk-key-file", tmp_path / "missing", python=python)
    assert done.status == 1 and "missing" in done.err


def test_an_older_python_refuses_before_anything_else(tmp_path):
    if getattr(ssl, "HAS_PSK", False):
        pytest.skip("this CPython has it")
    done = estctl("server", "--psk", "--port", 0, "--dir", tmp_path / "server")
    assert done.status == 2 and "CPython 3.13" in done.err
    assert sys.version.split()[0] in done.err and not (tmp_path / "server").exists()
