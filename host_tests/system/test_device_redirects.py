"""A server that redirects everything to another origin, the development server (3.2.1)."""

import ssl

import pytest
from commands import estctl
from scripted_server import ScriptedServer, response


@pytest.fixture
def front(server):
    """A server with the development server's certificate; it sends all its clients there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.folder / "server-chain.pem", server.folder / "server.key")

    def script(connection):
        while sent := connection.read_request():
            there = server.url + sent.head.split(" ")[1]
            connection.send(response(b"", "307 Moved", "", "Location: " + there))

    with ScriptedServer(script, context) as front:
        yield front


def at(front, server):
    return ["--url", f"https://127.0.0.1:{front.port}", "--anchors", server.anchors]


def allowed(server):
    return ["--allow-redirect", server.url.removeprefix("https://")]


def test_a_board_enrols_where_its_settings_let_it_be_sent(server, front, interpreter, tmp_path):
    options = ["--json", "--flash", tmp_path / "flash", "--interpreter", interpreter]
    options += [*at(front, server), *server.credential]
    refused = estctl("device", *options)
    assert refused.status == 1 and "which is not followed" in refused.err, refused.err
    done = estctl("device", *options, *allowed(server))
    assert done.status == 0, done.err
    assert any("redirect: on to 127.0.0.1:" in line for line in done.json["console"])
    assert {sent.header("authorization") for sent in front.requests} == {None}


def test_the_commands_of_estctl(server, front, tmp_path):
    files = ["--out-key", tmp_path / "k", "--out-cert", tmp_path / "c"]
    command = ["enroll", *at(front, server), *server.credential, "--subject", "CN=x", *files]
    assert "which is not followed" in estctl(*command).err
    done = estctl(*command, *allowed(server))
    assert done.status == 0, done.err
    for command in ("cacerts", "csrattrs"):
        done = estctl(command, *at(front, server), *allowed(server))
        assert done.status == 0, done.err
