"""What boot.py, main.py and wifi.py do when the network, the server or the settings fail."""

import json
import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from estctl import library, simulation

SECRET = "Wi-Fi s3cret"


@pytest.fixture
def flash(tmp_path):
    """The flash of a board with the firmware on it."""
    folder = tmp_path / "flash"
    simulation.prepare(folder, "UNIX", False)
    return folder


@pytest.fixture
def configure(flash, server):
    """Write device.json and radio.json: configure(radio, **settings)."""

    def write(radio=None, **settings):
        with open(server.password_file) as file:
            password = file.read().strip()
        values = {
            "url": server.url,
            "trust": {"fingerprint": server.fingerprint},
            "credential": {"user": server.user, "password": password},
            "subject": "CN=board",
            "ntp": False,
            "wifi": {"ssid": "home", "password": SECRET},
            "max_wait": 0,
            **settings,
        }
        values = {name: value for name, value in values.items() if value is not None}
        simulation.write_settings(flash, values, {})
        (flash / "radio.json").write_text(
            json.dumps({"ssid": "home", "password": SECRET, **(radio or {})})
        )

    return write


def boot(flash, interpreter):
    went = simulation.boot(flash, interpreter, None, False, print)
    assert went.report, went.lines
    assert not any(SECRET in line for line in went.lines)
    return went


@contextmanager
def running(flash, interpreter):
    """A board that is left running; gives the function that waits for a line of its console."""
    command = simulation._command(interpreter, None)
    command += [str(library.SHIM / "simulate.py"), str(flash), str(library.SHIM / "board")]
    command += [str(library.SHIM / "cpython")] if interpreter == "cpython" else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as board:
        guard = threading.Timer(60, board.kill)
        guard.start()
        seen = []

        def wait_for(text):
            for line in board.stdout:
                seen.append(line.rstrip("\n"))
                if text in line:
                    return line
            raise AssertionError(f"{text!r} never came: {seen}")

        try:
            yield wait_for
        finally:
            guard.cancel()
            board.kill()


class TestWiFi:
    def test_a_radio_that_needs_some_attempts(self, configure, flash, interpreter):
        configure({"refusals": 2, "errors": 1}, max_wait=60)
        went = boot(flash, interpreter)
        assert went.report["failure"] is None, went.lines
        waits = [line for line in went.lines if re.search("trying again in [0-9]+ s$", line)]
        assert len(waits) == 3, went.lines
        assert waits[0].startswith("wifi: the radio says")
        assert waits[1].startswith("wifi: the access point refuses this board")

    @pytest.mark.parametrize(
        ("radio", "reason"),
        [
            ({"password": "An0therSecret"}, "the password is wrong"),
            ({"ssid": "another"}, "there is no such network in reach"),
            ({"refusals": 9}, "the access point refuses"),
        ],
    )
    def test_the_radios_reason_is_told(self, configure, flash, radio, reason):
        configure(radio)
        went = boot(flash, "micropython")
        assert went.report["failure"] == "NetworkError"
        assert reason in went.report["error"] and "'home'" in went.report["error"]
        assert went.lines[-1] == "failed: " + went.report["error"]

    def test_a_wrong_password_is_not_believed_for_good(self, configure, flash, interpreter):
        configure({"password": "An0therSecret"}, max_wait=None)
        with running(flash, interpreter) as wait_for:
            for _ in range(3):
                wait_for("wifi: the password is wrong; trying again")

    def test_an_enrolled_board_starts_its_application_without_network(
        self, configure, flash, interpreter
    ):
        configure()
        assert boot(flash, interpreter).report["failure"] is None
        (flash / "app.py").write_text(
            "async def main(identity):\n    print('app runs', identity.status()['enrolled'])\n"
        )
        configure({"ssid": "another"}, max_wait=None)
        went = boot(flash, interpreter)
        assert "app runs True" in went.lines, went.lines
        assert any(line.endswith("in reach; going on without") for line in went.lines)

    def test_a_lost_connection_comes_back(self, configure, flash, interpreter):
        (flash / "app.py").write_text(
            "import asyncio, network\n"
            "async def main(identity):\n"
            "    for _ in range(300):\n"
            "        await asyncio.sleep(0.1)\n"
            "        if network.WLAN.log.count('connect') > 1 and network.WLAN(0).isconnected():\n"
            "            await asyncio.sleep(0.1)\n"
            "            return print('radio', network.WLAN.log.count('connect'))\n"
        )
        configure({"drop_after": 2})
        went = boot(flash, interpreter)
        assert "wifi: the connection to 'home' is lost" in went.lines, went.lines
        assert went.lines[-2:] == ["wifi: connected again", "radio 2"]


def test_attempts_end_in_time_and_the_radio_is_started_anew(flash, interpreter):
    probe = flash / "boot.py"
    (flash / "radio.json").write_text(json.dumps({"silent": 9}))
    probe.write_text(
        "import asyncio, network, wifi\n"
        "from est_errors import NetworkError\n"
        "lines = []\n"
        "log = lambda *line: lines.append(line)\n"
        "async def main():\n"
        "    try:\n"
        "        await wifi.connect('home', attempt=1, max_wait=14, log=log)\n"
        "    except NetworkError as error:\n"
        "        print('gave up:', error)\n"
        "wifi._backoff = lambda tries: 1 + tries % 2\n"
        "asyncio.run(main())\n"
        "did = network.WLAN.log\n"
        "print('attempts', did.count('connect'), 'off', did.count('off'))\n"
        "print('levels', set(level for level, _ in lines))\n"
    )
    started = time.monotonic()
    went = boot_alone(flash, interpreter)
    assert "gave up: wifi: no connection to the network 'home': no address within 1 s" in went
    assert "attempts 6 off 1" in went and "levels {30}" in went
    assert time.monotonic() - started < 30


def test_nothing_that_the_radio_or_the_log_raises_ends_the_task(flash, interpreter):
    (flash / "radio.json").write_text(json.dumps({"refusals": 6}))
    (flash / "boot.py").write_text(
        "import asyncio, network, wifi\n"
        "real, failing = network.WLAN.active, ['on', 'off', 'on']\n"
        "def active(self, on=None):\n"
        "    if on is not None and failing and failing[-1] == ('on' if on else 'off'):\n"
        "        failing.pop()\n"
        "        raise RuntimeError('Wifi Unknown Error 0x0101')\n"
        "    return real(self, on)\n"
        "network.WLAN.active = active\n"
        "logs = []\n"
        "def log(level, text):\n"
        "    logs.append(text)\n"
        "    if len(logs) == 1:\n"
        "        raise OSError(28)\n"
        "class Hasty:\n"
        "    async def sleep(self, seconds):\n"
        "        await asyncio.sleep(0)\n"
        "wifi.asyncio = Hasty()\n"
        "async def main():\n"
        "    task = asyncio.create_task(wifi.keep_connected('home', log=log))\n"
        "    for _ in range(200):\n"
        "        await asyncio.sleep(0.01)\n"
        "        if logs and logs[-1] == 'wifi: connected again':\n"
        "            break\n"
        "    print('ended', task.done(), 'failing', failing)\n"
        "    print('told', sum('0x0101' in text for text in logs), logs[-1])\n"
        "asyncio.run(main())\n"
    )
    went = boot_alone(flash, interpreter)
    assert "ended False failing []" in went and "told 3 wifi: connected again" in went, went


def boot_alone(flash, interpreter):
    """Run boot.py, and whatever main.py then says; return the lines."""
    return simulation.boot(flash, interpreter, None, False, print).lines


class TestServerDown:
    def test_a_board_without_max_wait_waits_for_its_server(self, configure, flash, server):
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        configure(url=f"https://127.0.0.1:{port}", max_wait=None)
        shorten(flash)
        with running(flash, "micropython") as wait_for:
            wait_for("; waiting ")
            # The server comes up: a relay to the real one.
            with relay(port, int(server.url.rpartition(":")[2])):
                wait_for("identity: enrolled")

    def test_a_refusal_is_asked_about_again(self, configure, flash, interpreter, server):
        configure(credential={"user": "device", "password": "N0tYetKnown"}, max_wait=None)
        shorten(flash)
        with running(flash, interpreter) as wait_for:
            for _ in range(2):
                line = wait_for("wrong user name or password; trying again in 1 s")
                assert "N0tYetKnown" not in line

    def test_with_max_wait_0_it_is_one_clear_line(self, configure, flash, interpreter):
        configure(credential={"user": "device", "password": "Wr0ngSecret"})
        went = boot(flash, interpreter)
        assert went.report["failure"] == "AuthError"
        assert went.lines[-1].startswith("failed: simpleenroll: the server refused")


class TestWhatNoWaitingMends:
    def test_a_setting(self, configure, flash, interpreter):
        configure(max_wait=None, sanns=["dns:x"])
        went = boot(flash, interpreter)
        assert went.report["failure"] == "ConfigError"
        assert went.lines == ["failed: " + went.report["error"]]

    def test_a_server_that_must_not_be_trusted(self, configure, flash, interpreter):
        configure(max_wait=None, trust={"fingerprint": "ab" * 32})
        went = boot(flash, interpreter)
        assert went.report["failure"] == "TrustError"
        assert went.lines[-1] == "failed: " + went.report["error"]


def shorten(flash):
    """Let the board try again after a second instead of a minute."""
    config = flash / "lib" / "board_config.py"
    config.write_text(
        config.read_text().replace("RETRY_FIRST = 60", "RETRY_FIRST = 1")
        + "\nRETRY_MAX = 1  # seconds\n"
    )


@contextmanager
def relay(port, to):
    """Listen on a port and pass each connection on to another one."""
    ended = threading.Event()

    def pump(source, sink):
        try:
            while data := source.recv(4096):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def serve(listener):
        while not ended.is_set():
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", to), 10)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
