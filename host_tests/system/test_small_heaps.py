"""Whole boots with too little memory: each ends in one clear line, and loses nothing.

Heaps from the least in which the interpreter starts up to the one in which a first boot completes;
and, in a heap that is large enough, memory that runs out from some step on.
"""

import shutil
from pathlib import Path

import pytest
from commands import estctl
from devid import record
from devid.store import Store
from estctl import interpreters, simulation
from estctl.mpy import UNIX_MARCH

pytestmark = pytest.mark.timeout(3600)  # in make torture: 1,900 boots

KIB = 1024
# Octets: below the first nothing starts, in the last a first boot completes, and in the third a
# board does all that is asked of it. Objects of the 64-bit port are twice as large.
HEAPS = {"micropython": (3 * KIB, 128 * KIB, "256k"), "micropython32": (2 * KIB, 76 * KIB, "128k")}
# What is left in the heap from a step on.
LEFT = (16, 500, 1000, 2000, 4000, 6000, 8000, 12000, 16000, 24000)
STEPS = {"first": 20, "renewal": 30}  # how often modules are forgotten in a boot, at least

# The board's boot.py: from the Nth time on that modules have left the heap, it is full but for so
# many octets. Each step of devid and est ends so.
BOOT = """
import gc
import heap

gc.collect()
gc.threshold(4096)
left, step, forget, held = %d, %d, heap.forget, []


def full(*modules):
    global step
    forget(*modules)
    step -= 1
    if step == 0:
        size = 4096
        while size > 8:
            try:
                while gc.mem_free() - size > left:
                    held.append(bytearray(size))
            except MemoryError:
                pass
            size //= 2


heap.forget = full
"""
# Its app.py, at a first boot and for a renewal; and what tells how many steps are left.
APP = """
async def main(identity):
    pass
"""
RENEW = """
async def main(identity):
    print("renew:", await identity.renew())
"""
TELL = """
    import boot
    print("steps left:", boot.step)
"""


@pytest.fixture(scope="module", params=list(HEAPS))
def interpreter(request):
    name = simulation.INTERPRETERS[request.param]
    if interpreters.find(name) is None:
        pytest.skip(interpreters.why_missing(name))
    return request.param


@pytest.fixture(scope="module")
def new(server, interpreter, tmp_path_factory):
    """The flash of a board that has not booted yet."""
    password = Path(server.password_file).read_text().strip()
    settings = {
        "url": server.url,
        "subject": "CN=device-{unique_id}",
        "ntp": False,
        "max_wait": 0,
        "trust": {"fingerprint": server.fingerprint},
        "credential": {"user": server.user, "password": password, "keep": True},
    }
    flash = tmp_path_factory.mktemp("new")
    simulation.write_settings(flash, settings, {})
    simulation.prepare(flash, "UNIX", True, UNIX_MARCH[simulation.INTERPRETERS[interpreter]])
    return flash


@pytest.fixture(scope="module")
def enrolled(new, interpreter, tmp_path_factory):
    """The flash of one that has its identity."""
    board = Board(tmp_path_factory.mktemp("enrolled") / "flash", interpreter, new)
    assert board.boot().report["failure"] is None
    return board.flash


class Board:
    """A simulated board; its flash is a folder, a copy of another one's."""

    def __init__(self, flash, interpreter, before):
        self.flash, self.interpreter = flash, interpreter
        shutil.copytree(before, flash)

    def boot(self, heap=None):
        heap = heap or HEAPS[self.interpreter][2]
        return simulation.boot(self.flash, self.interpreter, str(heap), False, lambda line: None)

    def put(self, **programs):
        for name, text in programs.items():
            (self.flash / f"{name}.py").write_text(text)

    @property
    def identity(self):
        """What is on flash: key, certificate and chain, or None."""
        return record.load(Store(str(self.flash / "identity")))


def judged(tally, went):
    """Count how a boot went; return whether it completed."""
    text = "\n".join(went.lines)
    tally.tried += 1
    if went.report and went.report["failure"] is None:
        tally.recovered += 1
        return True
    told = went.report["error"] if went.report else text
    clear = "not enough memory" in told or "memory ran out" in told
    early = not went.report and "MemoryError" in went.lines[-1]  # estctl puts it into words
    # asyncio prints its own where memory ends between a task and who waits for it.
    raw = text.count("Traceback") > text.count("Task exception wasn't retrieved") and not early
    if went.status < 0 or not (early or clear) or raw:
        tally.foreign_exceptions += 1
        print(went)
    tally.failed_cleanly += clear or early
    return False


def recovers(tally, board):
    """Boot with enough memory: the board has its identity in the end. Return its report."""
    went = board.boot()
    if went.report is None or went.report["failure"] or not board.identity:
        tally.identities_lost += 1
        print(went)
    return went.report


def test_a_first_boot_in_each_small_heap_ends_in_words_or_completes(
    new, interpreter, tmp_path, torture, tally
):
    tally.subject = "no memory"
    least, enough, _ = HEAPS[interpreter]
    completed = []
    for heap in [*range(least, enough, 512 if torture else enough // 6), enough]:
        board = Board(tmp_path / str(heap), interpreter, new)
        completed.append(judged(tally, board.boot(heap)))
        if not completed[-1]:
            assert recovers(tally, board)["status"]["enrolled"], heap
        shutil.rmtree(board.flash)
    assert tally.nothing_lost()
    assert completed[-1] and not completed[0]


@pytest.mark.parametrize("heap", ["2k", "40k"])
def test_a_heap_that_is_too_small_is_named_with_its_option(server, tmp_path, heap):
    options = [*server.pinned, *server.credential, "--interpreter", "micropython32"]
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    done = estctl("device", "--flash", tmp_path / "flash", *options, "--heap", heap)
    assert done.status == 1 and "Traceback" not in done.out + done.err, done.err
    last = done.err.splitlines()[-1]
    assert "not enough memory" in last and last.endswith(f"; give more than --heap {heap}")


@pytest.mark.parametrize("kind", list(STEPS))
def test_memory_that_runs_out_at_any_step_costs_no_identity(
    new, enrolled, interpreter, kind, tmp_path, torture, tally
):
    tally.subject = "no memory"
    before = enrolled if kind == "renewal" else new
    board = Board(tmp_path / "counted", interpreter, before)
    old = board.identity
    board.put(boot=BOOT % (0, 10**6), app=(RENEW if old else APP) + TELL)
    went = board.boot()
    (told,) = [line for line in went.lines if line.startswith("steps left: ")]
    steps = 10**6 - int(told.split()[2])
    assert steps >= STEPS[kind], "the steps of a boot are counted"
    every = [(step, left) for step in range(1, steps + 1) for left in LEFT]
    for step, left in every if torture else every[5 :: len(every) // 5]:
        board = Board(tmp_path / f"{step}-{left}", interpreter, before)
        board.put(boot=BOOT % (left, step), app=RENEW if old else APP)
        judged(tally, board.boot())
        found = board.identity
        if old and found != old:
            # Not before the new one has served in TLS: then it is whole, and in place of the old.
            assert found and found.key != old.key, (step, left)
        (board.flash / "app.py").unlink()
        board.put(boot="import gc\ngc.threshold(4096)\n")
        report = recovers(tally, board)
        assert report["status"]["enrolled"] and board.identity in (found or board.identity,)
        shutil.rmtree(board.flash)
    assert tally.nothing_lost()
    assert tally.failed_cleanly
