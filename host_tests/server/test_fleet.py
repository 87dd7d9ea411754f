"""Hundreds of devices come to one development server at once, MicroPython boards among them."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from commands import Servers
from estctl import interpreters, simulation
from estctl.mpy import UNIX_MARCH

COUNT = 200
GROWTH_KIB = 200  # of one wave of devices after another; their certificates are on disk


@pytest.fixture
def server(tmp_path, monkeypatch):
    # What is measured is the server, not how glibc gives each thread a heap of its own.
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    servers = Servers()
    yield servers.start(tmp_path / "server")
    servers.stop()


def fleet(server, count):
    """Return the process of so many devices, which enrol at once."""
    port = server.url.rpartition(":")[2]
    command = [sys.executable, Path(__file__).with_name("fleet.py"), count, port, server.anchors]
    command += [server.user, server.password_file]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def used(pid):
    """Return (KiB of memory, open handles) of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    (memory,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(memory), len(os.listdir(f"/proc/{pid}/fd"))


class BoardThread(threading.Thread):
    """A simulated board that boots for the first time."""

    def __init__(self, server, folder, interpreter):
        super().__init__()
        self.flash, self.interpreter, self.went = folder, interpreter, None
        settings = {
            "url": server.url,
            "subject": "CN=board-{unique_id}",
            "ntp": False,
            "trust": {"fingerprint": server.fingerprint},
            "credential": {
                "user": server.user,
                "password": Path(server.password_file).read_text().strip(),
            },
        }
        simulation.write_settings(folder, settings, {})
        march = UNIX_MARCH[simulation.INTERPRETERS[interpreter]]
        simulation.prepare(folder, "UNIX", True, march)

    def run(self):
        self.went = simulation.boot(self.flash, self.interpreter, None, False, lambda line: None)


@pytest.mark.timeout(1200)
def test_two_hundred_devices_enrol_at_once(server, tmp_path, torture, tally):
    tally.subject = "soak"
    kinds = ["micropython", "micropython32"] * (4 if torture else 1)
    kinds = [kind for kind in kinds if interpreters.find(simulation.INTERPRETERS[kind])]
    seen = []
    for wave in range(8 if torture else 1):
        boards = [
            BoardThread(server, tmp_path / f"board-{wave}-{number}", kind)
            for number, kind in enumerate(kinds)
        ]
        before = used(server.pid)
        process = fleet(server, COUNT)
        for board in boards:
            board.start()
        out, err = process.communicate(timeout=600)
        for board in boards:
            board.join()
            assert board.went.report and board.went.report["failure"] is None, board.went
        assert out, err
        done = json.loads(out)
        assert done["enrolled"] == COUNT and not done["refused"], done["refused"][:3]
        tally.tried += COUNT + len(boards)
        tally.recovered += COUNT + len(boards)
        deadline = time.monotonic() + 30
        while used(server.pid)[1] > before[1] and time.monotonic() < deadline:
            time.sleep(0.1)  # the last connections are being closed
        assert used(server.pid)[1] <= before[1], "every connection is closed again"
        seen.append(used(server.pid)[0])
    # What the first waves take is kept for the next ones.
    assert max(seen[4:], default=0) - min(seen[4:], default=0) < GROWTH_KIB, seen
    assert tally.nothing_lost()


def test_sigterm_ends_a_server_under_load_soon(tmp_path):
    servers = Servers()
    server = servers.start(tmp_path / "server")
    process = fleet(server, 60)
    time.sleep(2.5)  # in the middle of it
    started = time.monotonic()
    servers.end(server.pid)
    took = time.monotonic() - started
    process.terminate()
    process.communicate(timeout=30)
    print(f"it took {took:.1f} s")
    assert took < 10
