"""Operations of the compiled library by an application, in a heap of 96 KiB on either port.

Full CMC is in test_full_cmc.py, and keys from the server in test_keys_from_the_server.py.
"""

import board_app
import pytest
from commands import openssl
from probing import HOST_TESTS

APP = HOST_TESTS / "device" / "enroll_app.py"

pytestmark = pytest.mark.parametrize("name", ["unix", "unix32"])


def test_an_enrolment(name, server, tmp_path):
    board_app.run(name, APP, server, tmp_path)


def test_a_renewal_with_a_new_key(name, server, tmp_path):
    found = board_app.run(name, APP, server, tmp_path, renew=True)
    assert "simplereenroll" in (server.folder / "log").read_text()
    again = board_app.run(name, APP, server, tmp_path)
    assert found["key"] != again["key"]


def test_a_request_by_the_servers_template(name, servers, tmp_path):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    board_app.run(name, APP, server, tmp_path, csrattrs=True)
    text = openssl("x509", "-inform", "DER", "-in", tmp_path / "certificate", "-noout", "-text")
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "TLS Web Client Authentication" in text
