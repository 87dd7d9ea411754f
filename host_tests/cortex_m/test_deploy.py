"""`estctl deploy`, `device-status` and `erase-identity`, on a Cortex-M3 over its serial port.

QEMU's machine sees no Ctrl-C while a program runs: stopping a busy board is not tested here.
"""

import hashlib
import json

import pytest
import trustme
from estctl.cortex_m import Machine
from onboard import Talk, estctl, put_urandom

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("cortex_m_built")]

SETTINGS = {
    "url": "https://est.example:8443",
    "trust": {"fingerprint": "00" * 32},
    "credential": {"user": "device", "password": "opensesame"},
    "subject": "CN=pump-7",
}
HEAD = b"EST\x01" + (7).to_bytes(4, "big") + bytes(16)
# Whole, or the board would remove it; there is nothing in it.
SLOT = HEAD + hashlib.sha256(HEAD).digest()


def deployed(port, *more):
    done = estctl("deploy", "--port", port, "--board", "RPI_PICO_W", "--json", *more)
    assert done.returncode == 0, done.stderr
    assert "opensesame" not in done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "pump.json"
    path.write_text(json.dumps(SETTINGS))
    return path


@pytest.fixture(scope="module")
def port(cortex_m_built, settings):
    """A machine on which deploy has been once, with settings, and an identity folder."""
    with Machine("cortex_m3", heap=96 * 1024, disk=1 << 20) as machine:
        with Talk(machine.port) as talk:
            talk.run("import os; os.mkdir('/identity'); os.mkdir('/lib'); os.mkdir('/lib/pki')")
            talk.put("/identity/a.slot", SLOT)
            talk.put("/lib/mine.py", b"MINE = 1\n")
            talk.put("/app.py", b"async def main(identity): pass\n")
            talk.put("/lib/est.py", b"from an earlier installation")
            talk.put("/lib/pki/gone.mpy", b"of an earlier version")
        machine.first = deployed(machine.port, "--settings", settings)
        yield machine


def test_the_first_deployment_copies_all_and_removes_what_would_shadow_it(port):
    first = port.first
    assert first["unchanged"] == 0
    assert (first["settings"], first["library"]) == ("given", "in /lib")
    assert {"/boot.py", "/main.py", "/wifi.py", "/device.json"} <= set(first["copied"])
    assert {"/lib/est.mpy", "/lib/devid/store.mpy", "/lib/board_config.mpy"} <= set(
        first["copied"]
    )
    assert first["removed"] == ["/lib/est.py", "/lib/pki/gone.mpy"]
    with Talk(port.port) as talk:
        assert json.loads(talk.get("/device.json")) == SETTINGS
        assert talk.run("import board_config; print(board_config.CHUNK_SIZE)") == 1024
        assert talk.run("import est_errors, pki.der; print(repr(pki.der.__name__))") == "pki.der"


def test_a_second_deployment_copies_nothing(port, settings):
    second = deployed(port.port, "--settings", settings)
    assert (second["copied"], second["removed"]) == ([], [])
    assert second["unchanged"] == len(port.first["copied"])


def test_one_changed_file_is_copied_alone_even_at_the_same_size(port):
    with Talk(port.port) as talk:
        right = talk.get("/lib/est.mpy")
        talk.put("/lib/est.mpy", right[:-1] + bytes([right[-1] ^ 1]))
    assert deployed(port.port)["copied"] == ["/lib/est.mpy"]
    with Talk(port.port) as talk:
        assert talk.get("/lib/est.mpy") == right


def test_what_a_deployment_left_that_was_cut_off_goes(port):
    with Talk(port.port) as talk:
        talk.put("/lib/est.mpy.part", b"half")
        talk.put("/lib/devid/store.mpy.part", b"half")
        talk.run("import os; os.remove('/lib/devid/store.mpy')")
    done = deployed(port.port)
    assert done["copied"] == ["/lib/devid/store.mpy"]
    assert done["removed"] == ["/lib/devid/store.mpy.part", "/lib/est.mpy.part"]


def test_a_module_that_an_earlier_version_had_is_removed(port):
    with Talk(port.port) as talk:
        names = talk.get("/lib/est_files.txt")
        talk.put("/lib/est_old.mpy", b"x")
        talk.put("/lib/est_files.txt", names + b"/lib/est_old.mpy\n/app.py\n")
    done = deployed(port.port)
    assert done["removed"] == ["/lib/est_old.mpy"]
    assert done["copied"] == ["/lib/est_files.txt"]


def test_identity_and_files_of_others_stay(port):
    deployed(port.port)
    with Talk(port.port) as talk:
        assert talk.get("/identity/a.slot") == SLOT
        assert talk.get("/lib/mine.py") == b"MINE = 1\n"
        assert b"main" in talk.get("/app.py")
        found = talk.run("import os; print(os.listdir('/') + os.listdir('/lib'))")
    assert not [name for name in found if name.endswith(".part")]


def test_settings_from_which_the_secret_is_erased_stay_unless_others_are_given(port, settings):
    spent = {**SETTINGS, "credential": {"spent": True}}
    with Talk(port.port) as talk:
        talk.put("/device.json", json.dumps(spent).encode())
    done = deployed(port.port)
    assert (done["copied"], done["settings"]) == ([], "kept")
    with Talk(port.port) as talk:
        assert json.loads(talk.get("/device.json")) == spent
    assert deployed(port.port, "--settings", settings)["copied"] == ["/device.json"]


def test_library_only_leaves_a_main_of_ones_own(port):
    with Talk(port.port) as talk:
        talk.put("/main.py", b"print('mine')\n")
    assert deployed(port.port, "--library-only")["copied"] == []
    assert deployed(port.port)["copied"] == ["/main.py"]


def test_wrong_settings_are_refused_before_the_board_is_touched(port, tmp_path):
    path = tmp_path / "device.json"
    for values, text in (
        ({**SETTINGS, "subjct": "CN=x"}, "subject"),
        ({**SETTINGS, "trust": {"anchors": "ca.pem"}}, "ca.pem"),
        ({**SETTINGS, "subject": "CN=pump-{unique_id},FOO=x"}, "unknown attribute FOO"),
        ({**SETTINGS, "san": ["dns:pump-{mac}.example", "ip:10.0.0.256"]}, "not an IP address"),
        ({**SETTINGS, "key_usage": ["digitalSignatures"]}, "keyUsage 'digitalSignatures'"),
        ({**SETTINGS, "ext_key_usage": ["clientauth"]}, "'clientauth'"),
    ):
        path.write_text(json.dumps(values))
        done = estctl("deploy", "--port", port.port, "--board", "RPI_PICO_W", "--settings", path)
        assert done.returncode == 2
        assert text in done.stderr
        assert done.stderr.count("\n") == 1
    assert deployed(port.port)["copied"] == []


def test_the_files_that_settings_name_are_copied_with_them(port, settings, tmp_path):
    path = tmp_path / "device.json"
    root = trustme.CA().cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(root)
    path.write_text(json.dumps({**SETTINGS, "trust": {"anchors": "/ca.pem"}}))
    assert deployed(port.port, "--settings", path)["copied"] == ["/ca.pem", "/device.json"]
    with Talk(port.port) as talk:
        assert talk.get("/ca.pem") == root
    deployed(port.port, "--settings", settings)


def test_a_disk_that_is_too_small_is_one_clear_error_and_stays_as_it_was(cortex_m_built):
    with Machine("cortex_m3", disk=1 << 17) as machine:
        done = estctl("deploy", "--port", machine.port, "--board", "RPI_PICO_W")
        assert done.returncode == 1
        assert "KiB too few" in done.stderr
        assert done.stderr.count("\n") == 1
        with Talk(machine.port) as talk:
            assert talk.run("import os; print(os.listdir('/'))") == []


def test_a_port_without_a_board_and_an_unknown_board_are_one_line(port):
    done = estctl("deploy", "--port", "/dev/no-such-port", "--board", "RPI_PICO_W")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    done = estctl("deploy", "--port", port.port, "--board", "NO_SUCH_BOARD")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "RPI_PICO_W" in done.stderr


def test_the_status_of_a_board_and_the_end_of_its_identity(port):
    with Talk(port.port) as talk:
        put_urandom(talk)
        talk.run("import os; os.remove('/identity/a.slot')")
        code = "from devid.store import TIME, Store\n"
        code += "Store('/identity').commit({TIME: ((1700000000).to_bytes(4, 'big'),)})"
        talk.run(code)
    done = estctl("device-status", "--port", port.port, "--json")
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert status["enrolled"] is False
    assert status["next"]["action"] == "enroll"

    shown = estctl("device-status", "--port", port.port)
    assert "enrolled" in shown.stdout
    refused = estctl("erase-identity", "--port", port.port, "--json")
    assert refused.returncode == 2
    with Talk(port.port) as talk:
        assert talk.run("import os; print(os.listdir('/identity'))") == ["a.slot"]
    done = estctl("erase-identity", "--port", port.port, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"folder": "/identity", "erased": True}
    with Talk(port.port) as talk:
        assert talk.run("import os; print(os.listdir('/identity'))") == []
    done = estctl("erase-identity", "--port", port.port, "--yes", "--json")
    assert json.loads(done.stdout)["erased"] is False


def test_an_identity_is_erased_without_settings_where_its_folder_is_named(port, settings):
    with Talk(port.port) as talk:
        talk.put("/device.json", b'{"url": "https://')
        code = "from devid.store import TIME, Store\n"
        talk.run(code + "Store('/keys').commit({TIME: (b'1',)})")
    done = estctl("erase-identity", "--port", port.port, "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "device.json" in done.stderr
    done = estctl("erase-identity", "--port", port.port, "--yes", "--folder", "keys", "--json")
    assert json.loads(done.stdout) == {"folder": "/keys", "erased": True}
    deployed(port.port, "--settings", settings)


def test_a_board_without_the_library_is_told_to_be_deployed_to(cortex_m_built):
    with Machine("cortex_m3", disk=1 << 18) as machine:
        for command in ("device-status", "erase-identity"):
            more = ["--yes"] if command == "erase-identity" else []
            done = estctl(command, "--port", machine.port, *more)
            assert done.returncode == 2
            assert "estctl deploy" in done.stderr


def test_a_firmware_with_the_library_in_it_gets_no_second_one(frozen_built, settings):
    with Machine("cortex_m3", heap=96 * 1024, disk=1 << 18, frozen=True) as machine:
        with Talk(machine.port) as talk:
            talk.run("import os; os.mkdir('/lib'); os.mkdir('/lib/pki')")
            for name in ("est.mpy", "pki/der.py", "est_old.mpy", "mine.py"):
                talk.put("/lib/" + name, b"a file of this name")
            talk.put("/lib/est_files.txt", b"/lib/est.mpy\n/lib/est_old.mpy\n")
            talk.put("/wifi.py", b"of an earlier installation")
            put_urandom(talk)
        done = deployed(machine.port, "--settings", settings)
        assert done["library"] == "in the firmware"
        assert done["copied"] == ["/boot.py", "/main.py", "/device.json"]
        gone = ["/lib/est.mpy", "/lib/est_files.txt", "/lib/est_old.mpy", "/lib/pki/der.py"]
        assert done["removed"] == [*gone, "/wifi.py"]
        again = deployed(machine.port)
        assert (again["copied"], again["removed"], again["unchanged"]) == ([], [], 2)
        with Talk(machine.port) as talk:
            assert talk.get("/lib/mine.py") == b"a file of this name"
        status = estctl("device-status", "--port", machine.port, "--json")
        assert status.returncode == 0, status.stderr
        assert json.loads(status.stdout)["enrolled"] is False
