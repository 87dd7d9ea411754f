"""A whole boot against `estctl server --fault`, and what a person does and sees."""

import os
import signal
import threading
import time

import pytest
import slots
from commands import estctl

SOON = 60  # seconds: all of it, on a busy machine


def end_the_fault(server, seen):
    """End it by the signal that the server tells of, once it was played so often."""
    log, deadline = server.folder / "log", time.monotonic() + SOON
    while log.read_text().count(" played") < seen and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(server.pid, signal.SIGUSR1)


def test_a_board_that_waits_enrols_when_the_fault_has_ended(servers, interpreter, tmp_path):
    server = servers.start(tmp_path / "server", "--fault", "endless-202")
    patience = threading.Thread(target=end_the_fault, args=(server, 2))
    patience.start()
    options = ["--json", "--flash", tmp_path / "flash", "--interpreter", interpreter]
    done = estctl("device", *options, *server.pinned, *server.credential, "--max-wait", SOON)
    patience.join(SOON)
    assert done.status == 0, done.err
    assert sum("not yet (202)" in line for line in done.json["console"]) >= 2
    assert "key matches" in done.json["verified"]


@pytest.mark.parametrize("fault", ["other-key", "truncate"])
def test_a_fault_is_told_in_one_line_and_the_next_boot_goes_on(
    servers, interpreter, tmp_path, fault
):
    server = servers.start(tmp_path / "server", "--fault", fault)
    options = ["--json", "--flash", tmp_path / "flash", "--interpreter", interpreter]
    failed = estctl("device", *options, *server.pinned, *server.credential)
    assert failed.status == 1 and failed.err.count("\n") == 1, failed.err
    assert "simpleenroll: " in failed.err and slots.identity(tmp_path / "flash") is None
    end_the_fault(server, 1)
    done = estctl("device", *options)
    assert done.status == 0 and "key matches" in done.json["verified"], done.err
