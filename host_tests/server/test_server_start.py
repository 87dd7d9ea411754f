"""How the server starts and ends: its folder, its options, what it prints."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest
from estctl.server import EstServer, KeyKind, Settings, SettingsError

OPERATOR_FILES = ("root.key", "issuing.key", "server.key", "password")


def test_the_json_line(server):
    facts = json.loads(server.line)
    expected = {"url", "fingerprint", "anchors", "user", "password_file", "pid"}
    assert server.line.count("\n") == 1 and set(facts) == expected
    assert facts["url"] == f"https://127.0.0.1:{server.port}"
    assert facts["pid"] == server.process.pid and facts["user"] == "device"
    for name in ("anchors", "password_file"):
        assert os.path.isabs(facts[name]) and os.path.exists(facts[name])
    with open(facts["password_file"]) as file:
        assert file.read().strip() not in server.line + server.log
    with open(facts["anchors"]) as file:
        assert file.read().count("BEGIN CERTIFICATE") == 1


def test_people_get_everything_they_need(tmp_path):
    command = [sys.executable, "-m", "estctl.server", "--port", "0", "--dir", tmp_path / "a b"]
    environment = {**os.environ, "COLUMNS": "80"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    lines = [process.stdout.readline()]
    while lines[-1] and "Ctrl-C" not in lines[-1]:
        lines.append(process.stdout.readline())
    process.terminate()
    text = "".join(lines) + process.stdout.read()
    process.stdout.close()
    assert process.wait(20) == 0
    root = subprocess.run(
        ["openssl", "x509", "-in", tmp_path / "a b" / "root.pem", "-noout", "-fingerprint",
         "-sha256"], capture_output=True, text=True, check=True)  # fmt: skip
    pin = root.stdout.strip().split("=")[1].replace(":", "").lower()
    assert re.search(rf"\n  fingerprint +{pin}\n", text), "whole, to be copied"
    assert f"--password-file '{tmp_path}/a b/password'" in text
    command = re.search(r"(\S+) device --url", text)[1]
    assert shutil.which(command), "as it is, in a shell like this one"
    assert (tmp_path / "a b" / "password").read_text().strip() not in text


def test_secrets_are_their_owners_alone(server):
    for name in OPERATOR_FILES:
        assert stat.S_IMODE((server.folder / name).stat().st_mode) == 0o600, name
    assert (server.folder / ".gitignore").read_text() == "*\n"
    assert not list(server.folder.glob("*.new"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_also_with_connections_open(start, number):
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), 20):
        begun = time.monotonic()
        os.kill(server.process.pid, number)
        assert server.process.wait(20) == 0
    assert time.monotonic() - begun < 5
    assert "Traceback" not in server.log


class TestRestart:
    def test_keeps_ca_password_and_records(self, servers, desk, tmp_path):
        first = servers.start(tmp_path / "server")
        kept = {name: (first.folder / name).read_bytes() for name in OPERATOR_FILES}
        mine = desk.enrolled(first, "/CN=pump")
        assert first.stop() == 0
        second = servers.start(tmp_path / "server")
        assert second.facts["fingerprint"] == first.facts["fingerprint"]
        assert kept == {name: (second.folder / name).read_bytes() for name in OPERATOR_FILES}
        answer = second.curl("simplereenroll", *mine, data=desk.request("/CN=pump"))
        assert answer.status == 200, answer.body

    def test_with_other_names_makes_only_a_new_tls_certificate(self, servers, tmp_path):
        first = servers.start(tmp_path / "server")
        assert first.stop() == 0
        second = servers.start(tmp_path / "server", "--name", "est.example", "--name", "10.1.2.3")
        assert second.facts["fingerprint"] == first.facts["fingerprint"]
        at = ["--resolve", f"est.example:{second.port}:127.0.0.1"]
        second.facts["url"] = f"https://est.example:{second.port}"
        assert second.curl("cacerts", *at).status == 200


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    EstServer(Settings(folder)).records.close()
    return folder


class TestFolder:
    """Damage is reported in one line, and nothing is replaced."""

    @pytest.fixture
    def folder(self, made, tmp_path):
        return shutil.copytree(made, tmp_path / "server")

    @pytest.mark.parametrize("name", ["root.pem", "root.key", "issuing.key"])
    def test_a_lost_file(self, folder, name):
        (folder / name).unlink()
        kept = {path.name: path.read_bytes() for path in folder.iterdir()}
        with pytest.raises(SettingsError, match=f"{name} is missing"):
            EstServer(Settings(folder))
        assert kept == {path.name: path.read_bytes() for path in folder.iterdir()}

    @pytest.mark.parametrize(
        ("name", "content", "text"),
        [
            ("root.pem", b"nonsense", "damaged"),
            ("issuing.key", b"", "damaged"),
            ("password", b"", "no password"),
            ("password", b"\n", "no password"),
            ("password", b"\xff\n", "UTF-8"),
            ("issued.sqlite", b"no database" * 99, "not a database"),
        ],
    )
    def test_a_damaged_file(self, folder, name, content, text):
        (folder / name).write_bytes(content)
        with pytest.raises(SettingsError, match=text) as caught:
            EstServer(Settings(folder))
        assert "\n" not in str(caught.value)

    def test_files_of_two_cas(self, folder, tmp_path):
        EstServer(Settings(tmp_path / "other")).records.close()
        shutil.copy(tmp_path / "other" / "root.key", folder / "root.key")
        with pytest.raises(SettingsError, match="not the key"):
            EstServer(Settings(folder))
        shutil.copy(tmp_path / "other" / "root.pem", folder / "root.pem")
        with pytest.raises(SettingsError, match="not signed by"):
            EstServer(Settings(folder))

    def test_the_tls_certificate_is_replaced(self, folder):
        for name in ("server.pem", "server.key"):
            (folder / name).write_bytes(b"nonsense")
        EstServer(Settings(folder)).records.close()
        assert b"BEGIN PRIVATE KEY" in (folder / "server.key").read_bytes()

    def test_an_interrupted_first_start_is_finished(self, folder):
        for name in ("issuing.pem", "server.pem", "password"):
            (folder / name).unlink()
        EstServer(Settings(folder)).records.close()

    def test_another_kind_of_key(self, folder):
        EstServer(Settings(folder, ca_key=KeyKind.P256)).records.close()
        with pytest.raises(SettingsError, match="has p256 keys"):
            EstServer(Settings(folder, ca_key=KeyKind.RSA2048))


@pytest.mark.parametrize(
    ("kind", "signature", "public"),
    [
        ("p256", "ecdsa-with-SHA256", "256 bit"),
        ("p384", "ecdsa-with-SHA384", "384 bit"),
        ("rsa2048", "sha256WithRSAEncryption", "2048 bit"),
        ("rsa4096", "sha256WithRSAEncryption", "4096 bit"),
    ],
)
def test_ca_keys(start, desk, kind, signature, public):
    server = start("--ca-key", kind)
    (issued,) = desk.certificates(server.enroll(desk.request("/CN=pump")))
    chain = ["-CAfile", server.facts["anchors"], "-untrusted", server.issuing]
    desk.openssl("verify", "-x509_strict", *chain, issued)
    for path in (server.facts["anchors"], server.issuing):
        text = desk.text(path)
        assert f"Public-Key: ({public})" in text and signature in text
        for part in (
            "X509v3 Basic Constraints: critical\n                CA:TRUE",
            "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
            "X509v3 Subject Key Identifier",
            "X509v3 Authority Key Identifier",
        ):
            assert part in text, text
    assert signature in desk.text(issued)
    assert "prime256v1" in desk.text(server.folder / "server.pem")


class TestWrongUsage:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "est.example"])
    def test_it_listens_on_loopback_unless_told_otherwise(self, refused, host):
        status, text = refused("--host", host)
        assert status == 2 and "--allow-remote" in text and text.count("\n") == 1

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (["--auth", "kerberos"], "kerberos"),
            (["--tls", "1.1"], "1.1"),
            (["--ca-key", "p224"], "p224"),
            (["--days", "0"], "--days"),
            (["--days", "99999999999"], "--days"),
            (["--root-days", "3000000"], "--root-days"),
            (["--clock", __file__], "cannot be used as a folder"),
            (["--label", "cacerts"], "operation"),
            (["--label", "a/fullcmc"], "operation"),
            (["--label", "a//b"], "no label"),
            (["--label", "a?b"], "no label"),
            (["--user", "a:b"], "colon"),
            (["--user", ""], "user name"),
            (["--name", "no name"], "DNS name"),
            (["--port", "65536"], "65535"),
            (["--csrattrs", "/nowhere/file"], "/nowhere/file"),
            (["--csrattrs", os.devnull], "CsrAttrs"),
            (["--client-ca", "/nowhere/file"], "/nowhere/file"),
            (["--client-ca", os.devnull], "no PEM certificate"),
        ],
    )
    def test_options(self, refused, options, text):
        status, error = refused(*options)
        assert status == 2 and text in error, error
        assert "Traceback" not in error


def test_how_long_a_certificate_may_be_valid(tmp_path):
    for days in ({"days": 0}, {"days": 1_000_001}, {"root_days": 1_000_001}):
        with pytest.raises(SettingsError, match="1 to 1000000 days"):
            Settings(tmp_path, **days).check()
    Settings(tmp_path, days=1_000_000, root_days=1_000_000).check()


@pytest.mark.parametrize("fails", ["closed pipe", "read-only file"])
def test_a_log_that_cannot_be_written_stops_nothing(servers, tmp_path, fails):
    if fails == "closed pipe":
        reader, log = os.pipe()
        os.close(reader)
    else:
        log = os.open(__file__, os.O_RDONLY)
    server = servers.start(tmp_path / "server", "--scenario", "rollover", stderr=log)
    os.close(log)
    for _ in range(3):
        assert server.curl("cacerts").status == 200


def test_a_port_in_use(refused):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, text = refused("--port", port)
    assert status == 1 and f"port {port}" in text and "in use" in text and text.count("\n") == 1


def test_a_folder_that_is_none(refused, tmp_path):
    (tmp_path / "file").write_text("")
    status, text = refused(folder=tmp_path / "file")
    assert status == 1 and str(tmp_path / "file") in text and text.count("\n") == 1


def test_all_addresses_where_allowed(start):
    server = start("--host", "0.0.0.0", "--allow-remote", "--name", "localhost")
    assert server.url == f"https://localhost:{server.port}"
    assert server.curl("cacerts", "--ipv4").status == 200


def test_ipv6(start):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    server = start("--host", "::1")
    assert server.url == f"https://[::1]:{server.port}"
    assert server.curl("cacerts").status == 200


def test_in_a_program(tmp_path, desk):
    events = []
    request = desk.request("/CN=pump")

    async def main():
        async with EstServer(Settings(tmp_path / "server"), events.append) as server:
            at = f"{server.url}/.well-known/est"
            command = ["curl", "--silent", "--max-time", "20"]
            command += ["--cacert", server.authority.anchors_file]
            password = server.password_file.read_text().strip()
            for more in (
                [f"{at}/cacerts"],
                ["--user", f"device:{password}", "--header", "Content-Type: application/pkcs10"]
                + ["--data-binary", request.decode(), f"{at}/simpleenroll"],
            ):
                process = await asyncio.create_subprocess_exec(
                    *command, *more, stdout=subprocess.PIPE
                )
                assert (await process.communicate())[0]
            (issued,) = server.records.issued()
            assert server.records.count() == 1 and issued.subject == "CN=pump"
            assert server.fingerprint == server.authority.fingerprint

    asyncio.run(main())
    assert [event.good for event in events] == [True, True]
