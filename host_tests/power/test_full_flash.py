"""Whole boots from a littlefs image in which there is hardly any room left."""

import shutil
import subprocess

import pytest
from boots import Board, settings_for
from commands import Servers
from devid import record
from devid.store import Store
from estctl import flash, interpreters, library, simulation
from probing import HOST_TESTS

BLOCKS = 12  # a first boot and a renewal find room in as many
RENEW = "async def main(identity):\n    print('renew:', await identity.renew())\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    servers = Servers()
    yield servers.start(tmp_path_factory.mktemp("server"))
    servers.stop()


@pytest.fixture(scope="module", params=["micropython", "micropython32"])
def interpreter(request):
    name = simulation.INTERPRETERS[request.param]
    if interpreters.find(name) is None:
        pytest.skip(interpreters.why_missing(name))
    return request.param


def fill(board, left):
    """Leave so many blocks of a board's flash; "all": as many as there were."""
    program = interpreters.find(simulation.INTERPRETERS[board.interpreter])
    command = [program, "-X", "heapsize=1m", HOST_TESTS / "power/fill.py"]
    command += [library.SHIM / "board", board.image, left]
    subprocess.run([str(part) for part in command], check=True, timeout=60)


def identity(board):
    """Return what is on flash: key, certificate and chain, or None."""
    with flash.opened(board.image) as chip:
        return record.load(Store(str(chip.folder / "identity")))


@pytest.mark.parametrize("kind", ["first", "renewal"])
def test_a_boot_without_room_is_told_and_goes_on_when_there_is_some(
    server, interpreter, kind, tmp_path, torture, tally
):
    tally.subject = "full flash, no handles, DNS, radio"
    settings, stored = settings_for(server)
    app = RENEW if kind == "renewal" else None
    board = Board(tmp_path / "board.img", settings, stored, interpreter)
    if app:
        assert board.boot().report["failure"] is None
        board = Board(board.image, settings, stored, interpreter, app)
    before, old = tmp_path / "before", identity(board)
    shutil.copy(board.image, before)
    went = []
    for left in range(BLOCKS + 1) if torture else (0,):
        shutil.copy(before, board.image)
        fill(board, left)
        boot = board.boot()
        tally.tried += 1
        assert boot.report, boot.lines
        error = boot.report["error"]
        went.append(error)
        if error:
            assert "the file system is full" in error, error
            tally.failed_cleanly += 1
        found = identity(board)
        if old and found != old and (found is None or found.key == old.key):
            tally.identities_lost += 1
        fill(board, "all")
        again = board.boot()
        assert again.report["failure"] is None and again.report["status"]["enrolled"], again.lines
        tally.recovered += 1
    assert went[0] and not (torture and went[-1]), went
    assert tally.nothing_lost()
