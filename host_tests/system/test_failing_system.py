"""What a board does when what it stands on fails: file handles, DNS, the radio."""

import json
import resource
import shutil
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from counting_proxy import CountingProxy
from devid import record
from devid.store import Store
from estctl import interpreters, simulation
from estctl.mpy import UNIX_MARCH
from probing import der

SUBJECT = "full flash, no handles, DNS, radio"
HANDLES = 200  # that the interpreter may have
# A boot.py: its tail is what fails. The library waits a second where it would wait a minute.
BOOT = """
import gc
gc.threshold(4096)
import est_limits
est_limits.RETRY_FIRST = est_limits.RETRY_MAX = 1
"""
# All handles are taken but for a few.
NO_HANDLES = """
held = []
try:
    while True:
        held.append(open("device.json"))
except OSError:
    for _ in range(%d):
        held.pop().close()
"""
# A resolver of our own: `answer(host, port)` returns what to look up instead, or raises.
DNS = """
import socket as real
import sys
import time

class Socket:
    def __getattr__(self, name):
        return getattr(real, name)

    def getaddrinfo(self, host, port, *more):
        return real.getaddrinfo(*(answer(host, port) + more))

asked = []
sys.modules["socket"] = Socket()
"""
RENEW = """
async def main(identity):
    print("renew:", await identity.renew())
"""


@pytest.fixture(scope="module", params=["micropython32"])
def interpreter(request):
    name = simulation.INTERPRETERS[request.param]
    if interpreters.find(name) is None:
        pytest.skip(interpreters.why_missing(name))
    return request.param


@pytest.fixture(scope="module")
def library(interpreter, tmp_path_factory):
    """The flash of a board without settings."""
    flash = tmp_path_factory.mktemp("library")
    simulation.prepare(flash, "UNIX", True, UNIX_MARCH[simulation.INTERPRETERS[interpreter]])
    return flash


class Board:
    """A simulated board with its own settings."""

    def __init__(self, library, flash, interpreter, server, **changes):
        self.flash, self.interpreter = flash, interpreter
        shutil.copytree(library, flash)
        settings = {
            "url": server.url,
            "subject": "CN=device-{unique_id}",
            "ntp": False,
            "max_wait": 0,
            "trust": {"fingerprint": server.fingerprint},
            "credential": {
                "user": server.user,
                "password": Path(server.password_file).read_text().strip(),
                "keep": True,
            },
        }
        settings.update(changes)
        settings = {name: value for name, value in settings.items() if value is not None}
        simulation.write_settings(flash, settings, {})

    def boot(self, fails="", app=None, echo=lambda line: None):
        """Boot with a boot.py that ends so, and with an application or without one."""
        (self.flash / "boot.py").write_text(BOOT + fails)
        if app:
            (self.flash / "app.py").write_text(app)
        else:
            (self.flash / "app.py").unlink(missing_ok=True)
        return simulation.boot(self.flash, self.interpreter, None, False, echo)

    @property
    def identity(self):
        """What is on flash: key, certificate and chain, or None."""
        return record.load(Store(str(self.flash / "identity")))


def enrols(tally, board):
    """Boot with nothing in the way: the board has its identity in the end."""
    again = board.boot()
    assert again.report and again.report["failure"] is None, again.lines
    assert again.report["status"]["enrolled"]
    tally.recovered += 1


def failed(tally, went, kind, *texts):
    """Count a boot that has to end in an error of one kind, with these words in it."""
    tally.tried += 1
    assert went.report, went.lines
    assert went.report["failure"] == kind, (went.report, went.lines)
    assert all(text in went.report["error"] for text in texts), went.report["error"]
    assert "Traceback" not in "\n".join(went.lines)
    tally.failed_cleanly += 1


@pytest.fixture
def few_handles():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("kind", ["first", "renewal"])
def test_without_file_handles_it_ends_in_words_and_keeps_its_identity(
    server, library, interpreter, kind, few_handles, tmp_path, tally
):
    tally.subject = SUBJECT
    board = Board(library, tmp_path / "flash", interpreter, server)
    app = None
    if kind == "renewal":
        enrols(tally, board)
        app = RENEW
    old = board.identity
    failed(tally, board.boot(NO_HANDLES % 1, app), "EstError", "24")  # EMFILE
    assert board.identity == old
    enrols(tally, board)
    assert not old or board.identity == old
    went = board.boot(NO_HANDLES % 3, app)
    assert went.report["failure"] is None, went.lines
    assert tally.nothing_lost()


def answers(text):
    return DNS + "def answer(host, port):\n" + text


class TestDNS:
    """The name of the settings is est.example; what it means is the resolver's affair."""

    def test_a_name_that_is_not_known_is_told(self, server, library, interpreter, tmp_path, tally):
        tally.subject = SUBJECT
        board = Board(library, tmp_path / "flash", interpreter, server, url="https://est.example")
        for number in (-2, -3, -202):
            went = board.boot(answers(f"    raise OSError({number})\n"))
            failed(tally, went, "NetworkError", "est.example:443: DNS does not know this host")
        assert tally.nothing_lost()

    def test_it_is_asked_again_until_it_answers(
        self, server, library, interpreter, tmp_path, tally
    ):
        tally.subject = SUBJECT
        board = Board(library, tmp_path / "flash", interpreter, server, max_wait=None)
        text = (
            "    asked.append(host)\n    if len(asked) < 3:\n        raise OSError(-2)\n"
            "    return host, port\n"
        )
        went = board.boot(answers(text))
        tally.tried += 1
        assert went.report and went.report["failure"] is None, went.lines
        assert sum("DNS does not know" in line for line in went.lines) == 2, went.lines
        tally.recovered += 1
        assert tally.nothing_lost()

    def test_another_hosts_address_gets_neither_request_nor_credential(
        self, server, servers, library, interpreter, tmp_path_factory, tmp_path, tally
    ):
        tally.subject = SUBJECT
        trusted = {"trust": {"anchors": "anchors.der"}}
        other = servers.start(tmp_path_factory.mktemp("other"))
        port = urlsplit(other.url).port
        board = Board(library, tmp_path / "flash", interpreter, server, **trusted)
        pem = Path(server.anchors).read_text()
        (board.flash / "anchors.der").write_bytes(der(pem.encode()))
        went = board.boot(answers(f"    return '127.0.0.1', {port}\n"))
        failed(tally, went, "TrustError", "does not lead to a trust anchor")
        assert "POST" not in (other.folder / "log").read_text()
        enrols(tally, board)
        assert tally.nothing_lost()

    def test_an_address_that_leads_nowhere_is_told(
        self, server, library, interpreter, tmp_path, tally
    ):
        tally.subject = SUBJECT
        board = Board(library, tmp_path / "flash", interpreter, server)
        for address in ("::1", "127.0.0.2"):  # IPv6 alone, where nobody listens; another host
            went = board.boot(answers(f"    return {address!r}, 9\n"))
            failed(tally, went, "NetworkError", "127.0.0.1:")
        enrols(tally, board)
        assert tally.nothing_lost()

    def test_a_resolver_that_hangs_delays_by_as_long_as_it_hangs(
        self, server, library, interpreter, tmp_path, tally
    ):
        """Nothing can interrupt getaddrinfo(): the port's own limit is the deadline there."""
        tally.subject = SUBJECT
        board = Board(library, tmp_path / "flash", interpreter, server)
        went = board.boot(answers("    time.sleep(3)\n    raise OSError(-3)\n"))
        failed(tally, went, "NetworkError", "DNS does not know this host, or cannot be reached")
        assert 3 <= went.seconds < 3 + 5
        tally.longest_overrun_s = round(went.seconds - 3, 1)
        enrols(tally, board)
        assert tally.nothing_lost()


class Jammer:
    """Takes a board's radio away for a second: all connections end, and none can be made."""

    def __init__(self, board, proxy):
        self._file, self._proxy = board.flash / "jammed", proxy

    def start(self):
        self._file.touch()
        self._proxy.down()
        threading.Timer(1, self._stop).start()

    def _stop(self):
        self._proxy.up()
        self._file.unlink()


class Air(CountingProxy):
    """A proxy that can be out of reach; its connections are then reset."""

    def __enter__(self):
        self._open, self._reachable = [], True
        return super().__enter__()

    def down(self):
        self._reachable = False
        for each in self._open:
            each.shutdown(socket.SHUT_RDWR)

    def up(self):
        self._reachable = True

    def _pass(self, source, target, client):
        if not self._reachable:
            client.close()
            return
        self._open.append(source)
        super()._pass(source, target, client)
        self._open.remove(source)
        source.close()


@pytest.mark.parametrize("kind", ["first", "renewal"])
def test_a_radio_that_drops_in_any_state_is_joined_again_and_the_board_goes_on(
    server, library, interpreter, kind, tmp_path, torture, tally
):
    tally.subject = SUBJECT
    with Air(server.url) as air:
        board = Board(
            library,
            tmp_path / "flash",
            interpreter,
            server,
            url=air.url,
            max_wait=None,
            wifi={"ssid": "home", "password": "secret word"},
        )
        (board.flash / "radio.json").write_text(json.dumps({"jammed": "jammed"}))
        app = None
        if kind == "renewal":
            app = "async def main(identity):\n    while True:\n        try:\n"
            app += "            print('renew:', await identity.renew())\n            break\n"
            app += "        except Exception as error:\n            print(repr(error))\n"
            app += "            import asyncio\n            await asyncio.sleep(1)\n"
        before = tmp_path / "before"
        if app:
            assert board.boot().report["failure"] is None
        shutil.copytree(board.flash, before)
        lines = board.boot(app=app).lines
        states = range(len(lines) - 1)
        for state in states if torture else list(states)[1 :: len(lines) // 2]:
            shutil.rmtree(board.flash)
            shutil.copytree(before, board.flash)
            old, seen, jammer = board.identity, [], Jammer(board, air)

            def echo(line, seen=seen, jammer=jammer, state=state):
                if len(seen) == state:
                    jammer.start()
                seen.append(line)

            went = board.boot(app=app, echo=echo)
            tally.tried += 1
            if went.report is None or went.report["failure"]:
                tally.foreign_exceptions += went.report is None
                pytest.fail(f"state {state}: {went}")
            assert went.report["status"]["enrolled"] and board.identity != old, (state, went)
            tally.recovered += 1
            deadline = time.monotonic() + 5
            while (board.flash / "jammed").exists() and time.monotonic() < deadline:
                time.sleep(0.1)
    assert tally.nothing_lost()
