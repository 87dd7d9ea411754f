"""The logging hook: log(level, text), with the levels of Python's `logging`; silent by default."""

import logging

import pytest
import trustme
from certs_only import certs_only
from probing import der
from scripted_server import ScriptedServer, answers, response


@pytest.fixture
def fetch(device, context, anchor):
    """Fetch /cacerts with anchors that are implicit or explicit; return what the probe says."""

    def fetched(**wish):
        script = answers(response(certs_only(anchor)))
        with ScriptedServer(script, context) as server:
            return device.run("cacerts", port=server.port, anchors=[anchor], **wish)

    return fetched


def test_each_line_comes_with_a_level(fetch):
    lines = fetch()["log"]
    assert lines and all(level == logging.INFO for level, _ in lines), lines
    assert any(text.startswith("connecting to 127.0.0.1") for _, text in lines)
    assert any("authorised by the explicit" in text for _, text in lines)


def test_a_refused_key_update_is_a_warning(device, context, anchor):
    stranger = der(trustme.CA().cert_pem.bytes())
    script = answers(response(certs_only(anchor, stranger)))
    with ScriptedServer(script, context) as server:
        lines = device.run("cacerts", port=server.port, anchors=[anchor])["log"]
    assert [level for level, text in lines if text.startswith("cacerts: ")] == [
        logging.WARNING,
        logging.INFO,
    ], lines


def test_the_default_is_silent(fetch):
    went = fetch(logging="silent")  # what it prints fails in run()
    assert went["results"] and went["log"] == []


def test_a_logger_of_python_can_be_given(fetch, device):
    if device.name != "cpython":
        pytest.skip("stock MicroPython has no logging module")
    lines = fetch(logging="logging")["log"]
    assert lines[1:] == fetch()["log"][1:] and lines[0][1].startswith("connecting")
