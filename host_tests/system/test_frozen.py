"""The library frozen into a firmware: it does what it does from files, and takes less heap.

Both run in a 32-bit unix port that takes TLS's memory from Python's heap, as RP2 does: once with
the manifest of boards/UNIX frozen in, and once without, where the library is a board's /lib of
.mpy, on the same littlefs.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from estctl import library, simulation
from estctl.flash import Flash
from setup import frozen
from setup.progress import SetupError, complaint

pytestmark = pytest.mark.timeout(600)  # the first one builds

# Where the library came from, and the heap that it leaves to an application.
APP = """
import gc, sys
import devid
async def main(identity):
    gc.collect()
    print("from", devid.__file__, "free", gc.mem_free())
"""
RENEW = """
async def main(identity):
    print("renew:", await identity.renew())
"""
HEAP = 160  # KiB, for what does not look for the smallest one
OF_THE_ONE_CERTIFICATE = ("serial", "fingerprint", "not_before", "not_after", "next")


@pytest.fixture(scope="module", autouse=True)
def programs():
    """Both programs are there."""
    try:
        frozen.provide()
    except SetupError as error:
        pytest.skip(f"no MicroPython to freeze into: {complaint(error)}")


class Board:
    """A board with a littlefs; `is_frozen`: nothing of the library is on it."""

    def __init__(self, folder: Path, is_frozen: bool, server, **settings):
        self.folder = folder / ("frozen" if is_frozen else "files")
        self._program = frozen.PROGRAM if is_frozen else frozen.STOCK
        if not is_frozen:
            simulation.prepare(self.folder, "UNIX", True)
        self.folder.mkdir(exist_ok=True)
        for name in ("boot.py", "main.py"):
            shutil.copy(library.FIRMWARE / name, self.folder)
        (self.folder / "unique_id").write_bytes(b"12345678")
        self.settings = {
            "url": server.url,
            "trust": {"fingerprint": server.fingerprint},
            "credential": {
                "user": server.user,
                "password": Path(server.password_file).read_text().strip(),
            },
            "subject": "O=Acme,CN=pump-{unique_id}",
            "ntp": False,
            "max_wait": 0,
            **settings,
        }
        self.flash = Flash(self.folder, self.folder.with_suffix(".img"))
        simulation.write_settings(self.folder, self.settings, {})
        self.flash.put()

    def boot(self, app: str = APP, heap: int = HEAP) -> simulation.Boot:
        """Boot with a heap of so many KiB; with an application from the second boot on."""
        self.flash.get()
        (self.folder / "app.py").write_text(app)
        self.flash.put()
        return self.boot_from(self.flash.what_boots, heap)

    def boot_from(self, flash: Path, heap: int) -> simulation.Boot:
        """Boot what is in an image or a folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MICROPYTHON32", str(self._program))
            return simulation.boot(flash, "micropython32", f"{heap}k", False, lambda line: None)


@pytest.fixture
def both(tmp_path, server):
    """Return a function that makes two boards: from files and frozen."""

    def make(at=server, **settings):
        return [Board(tmp_path, is_frozen, at, **settings) for is_frozen in (False, True)]

    return make


def told(boot: simulation.Boot) -> tuple:
    """What a boot said and reported, without what differs from certificate to certificate."""
    report = dict(boot.report or {})
    status = {**(report.pop("status") or {})}
    for name in OF_THE_ONE_CERTIFICATE:
        status.pop(name, None)
    lines = [re.sub("^from .*", "", line) for line in boot.lines]
    return lines, report, status


def free(boot: simulation.Boot) -> tuple[str, int]:
    """Where the library came from, and the octets of heap that are left to the application."""
    (found,) = [line for line in boot.lines if line.startswith("from ")]
    _, origin, _, octets = found.split()
    return origin, int(octets)


def test_a_life_goes_alike_frozen_and_from_files(both):
    lives = [[board.boot(), board.boot(), board.boot(RENEW)] for board in both()]
    for from_files, is_frozen in zip(*lives, strict=True):
        assert from_files.report["failure"] is None, from_files.lines
        assert told(is_frozen) == told(from_files)
        assert is_frozen.report["flash_operations"] == from_files.report["flash_operations"]
    (first, second, third), (first_frozen, second_frozen, _) = lives
    assert "identity: enrolled" in first.lines
    assert "identity: unchanged" in second.lines
    assert any(line.startswith("renew:") for line in third.lines)
    for boots in ((first, first_frozen), (second, second_frozen)):
        (origin, octets), (frozen_origin, frozen_octets) = map(free, boots)
        print(f"free for the application: {octets} from files, {frozen_octets} frozen")
        assert origin == "lib/devid/__init__.mpy"
        assert frozen_origin == "devid/__init__.py"  # a frozen module has no folder
        assert frozen_octets > octets + 8 * 1024


def test_only_the_one_firmware_has_the_library(tmp_path):
    for program, status in ((frozen.PROGRAM, 0), (frozen.STOCK, 1)):
        done = subprocess.run(
            [program, "-c", "import devid"], cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == status


@pytest.mark.parametrize(
    ("settings", "failure"),
    [
        ({"credential": {"user": "device", "password": "Wr0ngSecret"}}, "AuthError"),
        ({"trust": {"fingerprint": "ab" * 32}}, "TrustError"),
        ({"trust": {}}, "ApprovalNeeded"),
        ({"sanns": ["dns:x"]}, "ConfigError"),
        ({"url": "https://127.0.0.1:1"}, "NetworkError"),
    ],
)
def test_a_failure_is_told_alike_frozen_and_from_files(both, settings, failure):
    from_files, is_frozen = (board.boot() for board in both(**settings))
    assert from_files.report["failure"] == failure, from_files.lines
    assert told(is_frozen) == told(from_files)


def test_a_template_is_followed_alike_frozen_and_from_files(both, servers, tmp_path):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    boots = [board.boot() for board in both(server, san=["dns:pump.example"])]
    assert boots[0].report["failure"] is None, boots[0].lines
    assert told(boots[1]) == told(boots[0])


def smallest_heap(tmp_path: Path, is_frozen: bool, server) -> int:
    """Return the smallest heap of a whole first boot, to 2 KiB, by bisection.

    As in tools/bench.py a folder is the flash: a littlefs takes its buffers from the heap here.
    """
    low, high = 40, HEAP
    while high - low > 2:
        heap = (low + high) // 2
        place = tmp_path / str(heap)
        place.mkdir()
        board = Board(place, is_frozen, server)
        went = board.boot_from(board.folder, heap)
        enough = went.report is not None and went.report["failure"] is None
        low, high = (low, heap) if enough else (heap, high)
    return high


def test_a_first_boot_takes_far_less_heap_frozen(server, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "frozen").mkdir()
    from_files = smallest_heap(tmp_path / "files", False, server)
    is_frozen = smallest_heap(tmp_path / "frozen", True, server)
    print(f"smallest heap of a first boot: {from_files} KiB from files, {is_frozen} KiB frozen")
    assert is_frozen + 24 <= from_files
