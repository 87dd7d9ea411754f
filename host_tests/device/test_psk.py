"""TLS with a pre-shared key in place of certificates (RFC 7030 3.3.3).

Where the TLS stack has it: CPython from 3.13 on, any on this machine. Elsewhere: the refusal.
"""

import contextlib
import json
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from certs_only import certs_only, issue, request
from cryptography.hazmat.primitives.asymmetric import ec
from probing import Device
from scripted_server import ScriptedServer, answers, response
from setup import psk_python
from setup.progress import SetupError

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
PSK = ["device-7", bytes(range(32)).hex()]
OTHER = ["device-7", bytes(range(1, 33)).hex()]
SERVER = Path(__file__).with_name("psk_server.py")
NEEDED = "MicroPython 1.29 or CPython 3.13"


class PskDevice(Device):
    """lib/ and the shim in a CPython that has PSK."""

    def _start(self, heap):
        return [program()]


def program():
    try:
        return psk_python.find()
    except SetupError as error:
        pytest.skip(str(error))


@pytest.fixture
def serve(ca, anchor):
    """Start a server: serve(tls, certificate, cacerts) gives (port, what it was asked)."""

    @contextlib.contextmanager
    def started(tls="1.3", certificate=None, cacerts=None):
        issued = issue(ca, KEY.public_key())
        wish = {
            "keys": {PSK[0]: PSK[1]},
            "tls": tls,
            "certificate": certificate,
            "answers": {
                "cacerts": (cacerts or response(certs_only(anchor))).hex(),
                "simpleenroll": response(certs_only(issued)).hex(),
            },
        }
        process = subprocess.Popen(
            [program(), SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        asked = []
        try:
            process.stdin.write(json.dumps(wish) + "\n")
            process.stdin.flush()
            yield int(process.stdout.readline()), asked
        finally:
            asked += process.communicate(timeout=20)[0].splitlines()

    return started


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_key_authenticates_both_and_brings_explicit_anchors(serve, anchor, tls):
    with serve(tls) as (port, asked):
        went = PskDevice("cpython").run("cacerts", "simpleenroll", port=port, psk=PSK, csr=CSR)
    assert went.get("results"), went
    assert went["authorised"] == ["psk", "identity"] and went["verified"]
    assert went["anchors"] == [anchor.hex()]
    assert [line.split(" ")[0] for line in asked] == ["GET", "POST"]
    assert any("by the pre-shared key" in text for _, text in went["log"])
    assert PSK[1] not in json.dumps(went)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("psk", [OTHER, ["device-8", PSK[1]]])
def test_another_key_or_identity_gets_nothing(serve, tls, psk):
    with serve(tls) as (port, asked):
        went = PskDevice("cpython").run("cacerts", port=port, psk=psk)
    assert went["class"] == "TlsRefused" and "refused the pre-shared key" in went["error"]
    assert not asked and psk[1] not in json.dumps(went)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_a_server_with_a_certificate_instead_gets_nothing(serve, ca, anchor, tmp_path, tls):
    pem = tmp_path / "server.pem"
    issued = ca.issue_cert("127.0.0.1")
    pem.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    with serve(tls, str(pem)) as (port, asked):
        # Not even one that the anchors would vouch for.
        went = PskDevice("cpython").run("cacerts", port=port, psk=PSK, anchors=[anchor])
    assert went["class"] in ("TlsRefused", "TrustError"), went
    assert "key" in went["error"] and not asked


def test_a_fingerprint_beside_it_is_compared(serve, anchor):
    with serve() as (port, _):
        went = PskDevice("cpython").run("cacerts", port=port, psk=PSK, fingerprint="ab" * 32)
    assert went["class"] == "TrustError" and "fingerprint" in went["error"]


def test_a_redirect_does_not_take_the_key_along(serve, context, anchor):
    """Nor is what another server says believed, where nothing else vouches for it."""
    with ScriptedServer(answers(response(certs_only(anchor))), context) as other:
        elsewhere = f"127.0.0.1:{other.port}"
        location = f"Location: https://{elsewhere}/.well-known/est/cacerts"
        with serve(cacerts=response(b"", "302 Found", "", location)) as (port, _):
            went = PskDevice("cpython").run("cacerts", port=port, psk=PSK, redirects=[elsewhere])
        assert went["class"] == "TrustError" and "pre-shared key is not for" in went["error"]
        assert other.connections == 0


def test_without_psk_in_tls_it_is_refused_before_any_connection(device, context, anchor):
    if device.name == "cpython" and getattr(ssl, "HAS_PSK", False):
        pytest.skip("this CPython has it")
    with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
        went = device.run("cacerts", port=server.port, psk=PSK)
        assert server.connections == 0
    assert went["class"] == "ConfigError" and NEEDED in went["error"]
    assert PSK[1] not in json.dumps(went)


def test_a_key_that_a_dictionary_may_find_is_refused(device):
    for psk in (["", PSK[1]], ["x" * 129, PSK[1]], ["x", "00" * 15], ["x", "00" * 65]):
        went = device.run("cacerts", port=1, psk=psk)
        assert went["class"] == "ConfigError" and "pre-shared key" in went["error"]
        assert psk[1] not in went["error"]


def test_estctl_takes_the_key_from_a_file(serve, tmp_path):
    key = tmp_path / "psk"
    key.write_text(PSK[1] + "\n")
    with serve() as (port, asked):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "estctl", "cacerts", "--url", f"https://127.0.0.1:{port}"),
                *("--psk-identity", PSK[0], "--psk-key-file", key, "--json"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    if getattr(ssl, "HAS_PSK", False):
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["authorised_by"] == "psk, identity"
    else:
        assert done.returncode == 2 and NEEDED in done.stderr and not asked
    assert PSK[1] not in done.stdout + done.stderr


def test_estctl_gives_a_board_its_key(tmp_path):
    key = tmp_path / "psk"
    key.write_text(PSK[1])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "estctl", "device", "--url", "https://127.0.0.1:1"),
            *("--flash", tmp_path / "flash", "--interpreter", "cpython"),
            *("--psk-identity", PSK[0], "--psk-key-file", key, "--max-wait", "0"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    settings = json.loads((tmp_path / "flash/device.json").read_text())
    assert settings["credential"] == {"psk_identity": PSK[0], "psk_key": PSK[1]}
    assert done.returncode != 0 and PSK[1] not in done.stdout + done.stderr
    if not getattr(ssl, "HAS_PSK", False):
        assert NEEDED in done.stderr
