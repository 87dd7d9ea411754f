"""Whole boots of a simulated board: what a user sees, and what OpenSSL says of what came out."""

import json
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slots
from certs_only import certs_only
from commands import ESTCTL, estctl, openssl
from est_errors import ConfigError
from estctl import interpreters, library, simulation
from estctl.flash import opened
from estctl.timeline import Timeline
from probing import der
from scripted_server import ScriptedServer, answers, response


def boot(server, flash, interpreter, *options):
    return estctl("device", "--json", "--flash", flash, "--interpreter", interpreter, *options)


def identity_files(folder):
    return [
        "--out-cert",
        folder / "c.pem",
        "--out-key",
        folder / "k.pem",
        "--out-ca",
        folder / "ca.pem",
    ]


def check_with_openssl(server, folder):
    """The certificate chains to the root, and is for the stored key."""
    issuing = server.folder / "issuing.pem"
    openssl("verify", "-CAfile", server.anchors, "-untrusted", issuing, folder / "c.pem")
    public = openssl("x509", "-in", folder / "c.pem", "-noout", "-pubkey")
    assert public == openssl("pkey", "-in", folder / "k.pem", "-pubout")


def test_first_boot_by_fingerprint_and_password(server, interpreter, tmp_path):
    done = boot(
        server,
        tmp_path / "flash",
        interpreter,
        *server.pinned,
        *server.credential,
        "--subject",
        "O=Acme,CN=pump-{unique_id}",
        "--san",
        "dns:pump.example,ip:192.0.2.9",
        *identity_files(tmp_path),
    )
    assert done.status == 0, done.err
    found = done.json
    unique = (tmp_path / "flash" / "unique_id").read_bytes().hex()
    assert found["subject"] == f"O=Acme,CN=pump-{unique}"
    assert "key matches" in found["verified"]
    check_with_openssl(server, tmp_path)
    text = openssl("x509", "-in", tmp_path / "c.pem", "-noout", "-text")
    assert "DNS:pump.example, IP Address:192.0.2.9" in text
    connected = [line for line in found["console"] if line.startswith("connecting")]
    assert len(connected) == 2 and "unverified, for /cacerts only" in connected[0]


def test_a_board_that_keeps_a_certificate_of_another_ca_is_no_success(
    server, servers, interpreter, tmp_path
):
    flash = tmp_path / "flash"
    done = boot(server, flash, interpreter, *server.pinned, *server.credential)
    assert done.status == 0, done.err
    other = servers.start(tmp_path / "other")  # the same name, another key
    moved = [*other.pinned, *other.credential]
    done = boot(other, flash, interpreter, *moved)
    assert done.status == 3, done.out
    assert "its certificate of another CA" in done.err and "erase its identity" in done.err
    assert boot(other, flash, interpreter).status == 3  # a later boot, too
    shutil.rmtree(flash / "identity")
    done = boot(other, flash, interpreter, *moved)
    assert done.status == 0 and "leads to the CA" in done.json["verified"], done.err


def test_a_failure_is_told_once(server, tmp_path):
    (tmp_path / "password").write_text("Wr0ngSecret\n")
    options = [*server.at, "--user", "device", "--password-file", tmp_path / "password"]
    done = estctl("device", "--flash", tmp_path / "flash", *options)
    assert done.status == 1
    assert (done.out + done.err).count("refused user name and password") == 1, done.err


def test_the_subject_may_hold_the_boards_mac_address(server, interpreter, tmp_path):
    options = [*server.at, *server.credential, "--subject", "CN=pump-{mac}"]
    done = boot(server, tmp_path / "flash", interpreter, *options)
    assert done.status == 0, done.err
    unique = (tmp_path / "flash" / "unique_id").read_bytes().hex()
    assert done.json["subject"] == f"CN=pump-02{unique[:10]}"


def test_a_whole_first_boot_in_96_kib(server, tmp_path):
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    options = [*server.pinned, *server.credential, "--heap", "96k"]
    done = boot(server, tmp_path / "flash", "micropython32", *options)
    assert done.status == 0, done.err
    library = list((tmp_path / "flash" / "lib").rglob("*"))
    assert [path for path in library if path.suffix == ".py"] == []
    assert len([path for path in library if path.suffix == ".mpy"]) > 20


def test_a_first_boot_loads_what_make_size_counts(server, tmp_path):
    sys.path.insert(0, str(library.ROOT / "tools"))
    from size import NOT_AT_FIRST_BOOT

    flash = tmp_path / "flash"
    options = ["--subject", "CN=x", *server.pinned, *server.credential, "--keep-credential"]
    assert boot(server, flash, "micropython", *options).status == 0
    for name in NOT_AT_FIRST_BOOT:
        (flash / "lib" / name).with_suffix(".mpy").unlink()
    shutil.rmtree(flash / "identity")
    went = simulation.boot(flash, "micropython", None, False, print)
    assert went.report and went.report["failure"] is None, went.lines


def test_too_small_a_heap_is_one_clear_error(server, tmp_path):
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    options = [*server.pinned, *server.credential, "--heap", "56k"]
    done = boot(server, tmp_path / "flash", "micropython32", *options)
    assert done.status == 1 and "not enough memory" in done.err, done.err


def test_a_second_boot_keeps_the_identity(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    first = boot(server, flash, interpreter, *server.at, *server.credential)
    assert first.status == 0, first.err
    assert sum(line.startswith("connecting") for line in first.json["console"]) == 1
    second = boot(server, flash, interpreter)
    assert second.status == 0, second.err
    assert second.json["serial"] == first.json["serial"]
    assert "identity: unchanged" in second.json["console"]


def test_an_application_gets_a_tls_context_with_the_identity(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    # What an application does with it: a request over mutual TLS, to the only server at hand.
    (flash / "app.py").write_text(
        "import asyncio\n"
        "async def main(identity):\n"
        f"    host, port = '127.0.0.1', {server.url.rsplit(':', 1)[1]}\n"
        "    reader, writer = await asyncio.open_connection(\n"
        "        host, port, ssl=identity.ssl_context(), server_hostname=host)\n"
        "    writer.write(b'POST /.well-known/est/simplereenroll HTTP/1.0\\r\\n'\n"
        "                 b'Content-Type: application/pkcs10\\r\\n'\n"
        "                 b'Content-Length: 0\\r\\n\\r\\n')\n"
        "    await writer.drain()\n"
        "    line = await asyncio.wait_for(reader.readline(), 10)\n"
        "    print('app got', line.decode().strip())\n"
        "    writer.close()\n"
    )
    done = boot(server, flash, interpreter, *server.at, *server.credential)
    assert done.status == 0, done.err
    # 400 for the empty request, and not 403: the server knew the device by its certificate.
    assert any("app got HTTP/1.0 400" in line for line in done.json["console"]), done.out


def test_an_application_whose_import_fails_is_not_passed_over(server, tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "app.py").write_text("import no_such_module\n")
    done = boot(server, flash, "micropython", *server.at, *server.credential)
    assert done.status == 1 and "no_such_module" in done.err, done.out


def test_an_earlier_certificate_as_credential(server, interpreter, tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    made = boot(
        server,
        first / "flash",
        interpreter,
        *server.at,
        *server.credential,
        *identity_files(first),
    )
    assert made.status == 0, made.err
    second = boot(
        server,
        tmp_path / "flash",
        interpreter,
        *server.at,
        "--cert",
        first / "c.pem",
        "--key",
        first / "k.pem",
        *identity_files(tmp_path),
    )
    assert second.status == 0, second.err
    check_with_openssl(server, tmp_path)


@pytest.mark.parametrize("ca_key", ["p384", "rsa2048", "rsa4096"])
def test_other_kinds_of_ca_key(servers, interpreter, tmp_path_factory, tmp_path, ca_key):
    folder = tmp_path_factory.getbasetemp() / f"server-{ca_key}"
    server = servers.start(folder, "--ca-key", ca_key)
    options = [*server.pinned, *server.credential, *identity_files(tmp_path)]
    done = boot(server, tmp_path / "flash", interpreter, *options)
    assert done.status == 0, done.err
    check_with_openssl(server, tmp_path)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_either_version_of_tls(servers, interpreter, tmp_path_factory, tmp_path, tls):
    server = servers.start(tmp_path_factory.getbasetemp() / f"server-tls{tls}", "--tls", tls)
    options = [*server.pinned, *server.credential]
    done = boot(server, tmp_path / "flash", interpreter, *options)
    assert done.status == 0, done.err


class TestFailures:
    """Each ends with one clear message and its exit status, and the device can try again."""

    def refused(self, server, interpreter, tmp_path, status, text, *options):
        flash = tmp_path / "flash"
        started = time.monotonic()
        done = boot(server, flash, interpreter, *options)
        assert done.status == status, done.out + done.err
        assert text in done.err and done.err.count("\n") == 1, done.err
        assert done.json["exit_status"] == status
        assert time.monotonic() - started < 60
        assert slots.identity(flash) is None, "an identity was stored"
        if status == 3:
            assert not (flash / "identity").exists(), "something was stored"
        again = boot(server, flash, interpreter, *server.pinned, *server.credential)
        assert again.status == 0, again.err

    def test_a_wrong_fingerprint(self, server, interpreter, tmp_path):
        options = ["--url", server.url, "--fingerprint", "ab" * 32, *server.credential]
        self.refused(server, interpreter, tmp_path, 3, server.fingerprint, *options)

    def test_a_wrong_ca(self, server, interpreter, tmp_path):
        import trustme

        trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
        options = ["--url", server.url, "--anchors", tmp_path / "other.pem", *server.credential]
        self.refused(server, interpreter, tmp_path, 3, "does not lead to a trust anchor", *options)

    def test_a_wrong_password(self, server, interpreter, tmp_path):
        (tmp_path / "password").write_text("Wr0ngSecret\n")
        options = [*server.at, "--user", "device", "--password-file", tmp_path / "password"]
        text = "simpleenroll: the server refused user name and password (401)"
        self.refused(server, interpreter, tmp_path, 1, text, *options)

    def test_no_credential(self, server, interpreter, tmp_path):
        self.refused(server, interpreter, tmp_path, 1, "(401, Basic)", *server.at)

    def test_no_server(self, server, interpreter, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        options = ["--url", f"https://127.0.0.1:{port}", "--anchors", server.anchors]
        self.refused(server, interpreter, tmp_path, 1, str(port), *options)

    @pytest.mark.parametrize(
        ("setting", "text"),
        [
            ({"subject": "CN=x,FOO=y"}, "unknown attribute FOO"),
            ({"san": ["dns:pump.example", "ip:10.0.0.256"]}, "not an IP address"),
            ({"key_usage": ["digitalSignatures"]}, "keyUsage 'digitalSignatures'"),
            ({"ext_key_usage": ["clientauth"]}, "'clientauth'"),
        ],
    )
    def test_what_makes_no_request_is_refused_before_any_connection(
        self, interpreter, tmp_path, setting, text
    ):
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            settings = {"url": f"https://127.0.0.1:{nobody.getsockname()[1]}", "ntp": False}
            settings.update({"trust": {"fingerprint": "ab" * 32}, "subject": "CN=x"}, **setting)
            simulation.write_settings(tmp_path, settings, {})
            done = estctl("device", "--json", "--flash", tmp_path, "--interpreter", interpreter)
            assert done.status == 2 and text in done.err and done.err.count("\n") == 1, done.err
            nobody.settimeout(0)
            with pytest.raises(BlockingIOError):
                nobody.accept()
        assert slots.identity(tmp_path) is None

    def test_estctl_refuses_it_before_it_writes_anything(self, server, tmp_path):
        for option in (["--subject", "CN={mac},FOO=y"], ["--san", "hwmodule:1.3.6.1:{mac}0"]):
            done = boot(server, tmp_path / "flash", "cpython", *server.at, *option)
            assert done.status == 2 and done.err.count("\n") == 1, done.err
            assert not (tmp_path / "flash/device.json").exists()

    @pytest.mark.parametrize("interpreter", ["micropython", "micropython32"], indirect=True)
    def test_an_unset_clock(self, server, interpreter, tmp_path):
        name = simulation.INTERPRETERS[interpreter]
        if not interpreters.can_fake_time(name):
            pytest.skip(f"{name} is not the interpreter of make setup, whose clock can be set")
        flash = tmp_path / "flash"
        options = ["--interpreter", interpreter, *server.at, *server.credential]
        done = estctl(
            "device", "--json", "--flash", flash, *options, faketime="@2000-01-01 00:00:05"
        )
        assert done.status == 3, done.err
        assert "clock: the clock is not set: it says 2000-01-01" in done.err
        assert boot(server, flash, interpreter).status == 0

    def test_a_certificate_for_another_device(self, server, interpreter, tmp_path, scripted):
        context, anchor, anchor_file = scripted
        script = answers(
            response(certs_only(anchor)),
            response(b"", "204 No Content", ""),
            response(certs_only(anchor)),
        )
        with ScriptedServer(script, context) as scripted_server:
            url = f"https://127.0.0.1:{scripted_server.port}"
            options = ["--url", url, "--anchors", anchor_file]
            self.refused(server, interpreter, tmp_path, 1, "for another key", *options)

    def test_a_server_that_says_not_yet(self, server, interpreter, tmp_path, scripted):
        context, anchor, anchor_file = scripted
        script = answers(
            response(certs_only(anchor)),
            response(b"", "204 No Content", ""),
            response(b"", "202 Accepted", "", "Retry-After: 600"),
        )
        with ScriptedServer(script, context) as scripted_server:
            url = f"https://127.0.0.1:{scripted_server.port}"
            options = ["--url", url, "--anchors", anchor_file]
            self.refused(server, interpreter, tmp_path, 4, "try again in 600 s", *options)

    @pytest.fixture
    def scripted(self, tmp_path):
        """A TLS context, its CA as DER, and that in a file."""
        import ssl

        import trustme

        ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.cert_pem.write_to_path(str(tmp_path / "scripted.pem"))
        return context, der(ca.cert_pem.bytes()), tmp_path / "scripted.pem"


def test_a_damaged_identity_is_enrolled_anew(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    options = [*server.at, *server.credential, "--keep-credential"]
    first = boot(server, flash, interpreter, *options)
    assert first.status == 0, first.err
    slots.damage(flash, "a.slot")
    again = boot(server, flash, interpreter)
    assert again.status == 0, again.err
    assert again.json["serial"] == first.json["serial"], "the other slot is as good"
    assert any("it is written anew" in line for line in again.json["console"])
    slots.damage(flash, "a.slot")
    slots.damage(flash, "b.slot")
    again = boot(server, flash, interpreter)
    assert again.status == 0, again.err
    assert again.json["serial"] != first.json["serial"]


def test_the_password_stands_only_in_the_settings(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    options = [*server.at, *server.credential, "--keep-credential"]
    done = boot(server, flash, interpreter, *options)
    with open(server.password_file) as file:
        password = file.read().strip()
    assert done.status == 0 and password not in done.out + done.err
    assert password not in (server.folder / "log").read_text()
    holders = [
        p.name for p in flash.rglob("*") if p.is_file() and password.encode() in p.read_bytes()
    ]
    assert holders == ["device.json"]
    assert all(
        stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        for path in (flash, flash / "device.json", *(flash / "identity").rglob("*"))
    )
    assert json.loads((flash / "device.json").read_text())["credential"]["password"] == password


def test_a_one_time_password_is_erased_once_it_has_served(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    done = boot(server, flash, interpreter, *server.at, *server.credential)
    assert done.status == 0, done.err
    password = Path(server.password_file).read_text().strip().encode()
    files = [path for path in flash.rglob("*") if path.is_file()]
    assert not [path.name for path in files if password in path.read_bytes()]
    assert json.loads((flash / "device.json").read_text())["credential"] == {"spent": True}
    assert boot(server, flash, interpreter).status == 0


def test_a_power_cut_while_the_password_is_erased(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    assert boot(server, flash, interpreter, *server.at, *server.credential).status == 0
    whole = (flash / "device.json").read_bytes()
    for old in (b" " * 300, b"", None):
        (flash / "device.json.new").write_bytes(whole)
        (flash / "device.json").unlink(missing_ok=True)
        if old is not None:
            (flash / "device.json").write_bytes(old)
        assert boot(server, flash, interpreter).status == 0
        assert (flash / "device.json").read_bytes() == whole
        assert not (flash / "device.json.new").exists()


def test_what_makes_no_sense_is_a_usage_error(server, tmp_path):
    for options in (
        ["--flash", tmp_path / "empty"],
        ["--flash", tmp_path / "f", *server.at, "--fingerprint", "ab" * 32],
        ["--flash", tmp_path / "f", *server.at, "--board", "NO_SUCH_BOARD"],
        ["--flash", tmp_path / "f", *server.at, "--interpreter", "cpython", "--heap", "96k"],
        ["--flash", tmp_path / "f", "--url", "http://127.0.0.1", "--anchors", server.anchors],
    ):
        assert estctl("device", *options).status == 2, options


class TestWrongInput:
    """Each is one line and status 2, and nothing is written."""

    @pytest.mark.parametrize(
        ("option", "text"),
        [
            (["--subject", "CN=other"], "--subject would change nothing"),
            (["--user", "x", "--san", "dns:x"], "--user, --san would change nothing"),
            (["--link", "demanded"], "--link would change nothing"),
            (["--max-wait", "4"], "is no JSON object"),
            (["--flash-size", "1024"], "is a folder"),
            (["--clock", "device.json"], "cannot be used as a folder"),
        ],
    )
    def test_of_a_board_that_has_its_settings(self, tmp_path, monkeypatch, option, text):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "device.json").write_text("[]")
        done = estctl("device", "--flash", tmp_path, *option)
        assert done.status == 2 and text in done.err and done.err.count("\n") == 1, done.err
        assert (tmp_path / "device.json").read_text() == "[]"

    def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").touch()
        at = ["--url", "https://127.0.0.1", "--fingerprint", "ab" * 32]
        done = estctl("device", "--flash", tmp_path / "file" / "board", *at)
        assert done.status == 2 and "file/board cannot be used" in done.err, done.err
        assert done.err.count("\n") == 1

    @pytest.mark.parametrize("option", [["--advance", "1e300"], ["--speed", "inf"]])
    def test_a_time_that_no_interpreter_lives_to_see(self, tmp_path, option):
        done = estctl("device", "--flash", tmp_path, "--clock", tmp_path, *option)
        assert done.status == 2 and option[0] in done.err, done.err

    @pytest.mark.parametrize("content", [b"tomorrow", b"\xff", b"nan", b"1e300"])
    def test_a_clock_of_something_else(self, tmp_path, content):
        (tmp_path / "board").write_bytes(content)
        with pytest.raises(ConfigError, match=str(tmp_path / "board")):
            Timeline(tmp_path)

    def test_a_clock_is_not_moved_too_far(self, tmp_path):
        timeline = Timeline(tmp_path)
        with pytest.raises(ConfigError, match="200 years"):
            timeline.advance(1e12)
        assert abs(timeline.now() - time.time()) < 60

    @pytest.mark.parametrize("heap", ["0", "0k", "1023", "1025m", "99999999999m"])
    def test_a_heap_with_which_nothing_starts(self, interpreter, tmp_path, heap):
        with pytest.raises(ConfigError, match="--heap"):
            simulation.boot(tmp_path, interpreter, heap, False, print)

    def test_another_size_of_an_image_that_is_there(self, tmp_path):
        image = tmp_path / "board.img"
        image.write_bytes(bytes(1 << 20))
        before = image.read_bytes()
        with pytest.raises(ConfigError, match="has 1024 KiB"), opened(image, 2048):
            pass
        assert image.read_bytes() == before


@pytest.fixture
def lonely(interpreter, tmp_path):
    """The flash of a board whose server cannot be reached."""
    simulation.prepare(tmp_path / "flash", "UNIX", False)
    settings = {"url": "https://127.0.0.1:1", "subject": "CN=x", "ntp": False, "max_wait": 0}
    trust = {"trust": {"fingerprint": "ab" * 32}}
    simulation.write_settings(tmp_path / "flash", {**settings, **trust}, {})
    return tmp_path / "flash"


def test_what_lies_where_estctl_is_started_is_not_imported(
    lonely, interpreter, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in ("asyncio", "json", "simulate", "ssl", "time"):
        (tmp_path / f"{name}.py").write_text("raise ValueError")
    went = simulation.boot(lonely, interpreter, None, False, print)
    assert went.report and went.report["failure"] == "NetworkError", went.lines


def test_a_board_may_print_what_it_likes(lonely, interpreter):
    (lonely / "boot.py").write_text(
        "import sys\n"
        "sys.stdout.buffer.write(b'\\xff\\n')\n"
        "sys.stdout.flush() if hasattr(sys.stdout, 'flush') else None\n"
        """print('{"live_heap": 1}\\n{"live_heap"\\n{"sleep": "x"}\\n{"' + '[' * 9999)\n"""
    )
    went = simulation.boot(lonely, interpreter, None, False, print)
    assert went.report and went.report["failure"] == "NetworkError", went.lines
    assert went.lines[:4] == ["\\xff", '{"live_heap": 1}', '{"live_heap"', '{"sleep": "x"}']


def test_the_end_of_estctl_is_the_end_of_its_board(interpreter, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        at = ["--url", f"https://127.0.0.1:{nobody.getsockname()[1]}", "--fingerprint", "ab" * 32]
        command = [*ESTCTL, "device", "--flash", tmp_path, "--interpreter", interpreter, *at]
        process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
        nobody.settimeout(30)
        connection, _ = nobody.accept()
        with connection:
            process.send_signal(signal.SIGTERM)
            _, text = process.communicate(timeout=20)
            assert process.returncode and "Traceback" not in text, text
            connection.settimeout(5)
            while connection.recv(4096):  # its ClientHello, and then the end of the connection
                pass
