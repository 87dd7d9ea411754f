"""`estctl firmware`: what it shows, what it says is missing, and what it builds."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from estctl import firmware, interpreters, library
from setup import frozen
from setup.progress import SetupError, complaint

BOARDS = sorted(path.parent.name for path in library.BOARDS.glob("*/manifest.py"))

pytestmark = pytest.mark.timeout(600)  # one builds, others may wait for another build
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def estctl_firmware(*arguments, programs=None, deadline=60):
    """Run the command; programs: the folder that is its PATH."""
    return subprocess.run(
        [sys.executable, "-m", "estctl", "firmware", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=deadline,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **({} if programs is None else {"PATH": str(programs)})},
    )


@pytest.fixture
def path_with(tmp_path):
    """Return a function that makes a folder of programs of these names, which all do nothing."""

    def make(*names):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to("/bin/true")
        return folder

    return make


def checkout(folder: Path, version=(1, 25), port="rp2", board="RPI_PICO_W") -> Path:
    """Make what tells a checkout of MicroPython, and nothing that could be built."""
    (folder / "py").mkdir(parents=True)
    (folder / f"ports/{port}/boards/{board}").mkdir(parents=True)
    (folder / "py/mpconfig.h").write_text(
        f"#define MICROPY_VERSION_MAJOR {version[0]}\n#define MICROPY_VERSION_MINOR {version[1]}\n"
    )
    return folder


@pytest.mark.parametrize("board", BOARDS)
def test_the_commands_freeze_the_manifest_of_the_board(board):
    done = estctl_firmware("--board", board)
    assert done.returncode == 2
    *_, last = [shlex.split(line) for line in done.stdout.splitlines()[1:]]
    port = firmware.port_of(board)
    assert last[:3] == ["make", "-C", f"micropython/ports/{port}"]
    (manifest,) = [it.partition("=")[2] for it in last if it.startswith("FROZEN_MANIFEST=")]
    assert Path(manifest).samefile(library.BOARDS / board / "manifest.py")
    assert (f"BOARD={board}" in last) == (port != "unix")


def test_each_program_that_is_missing_is_named_with_who_has_it(path_with):
    programs = path_with("make", "gcc", "cmake")
    for board, name, who in (
        ("RPI_PICO_W", "arm-none-eabi-gcc", "libnewlib-arm-none-eabi"),
        ("ESP32_GENERIC_S3", "idf.py", "ESP-IDF"),
        ("UNIX", "pkg-config", "libffi-dev"),
    ):
        done = estctl_firmware("--board", board, programs=programs)
        assert done.returncode == 2
        assert "FROZEN_MANIFEST=" in done.stdout
        assert done.stderr.count("\n") == 1
        assert f"this computer lacks {name} (" in done.stderr and who in done.stderr
        assert "cmake" not in done.stderr


def test_a_missing_toolchain_is_named_before_anything_is_built(path_with, tmp_path):
    folder = checkout(tmp_path / "micropython")
    before = sorted(folder.rglob("*"))
    done = estctl_firmware(
        "--board", "RPI_PICO_W", "--micropython", folder, programs=path_with("make", "gcc")
    )
    assert done.returncode == 2
    assert f"make -C {folder}/ports/rp2 BUILD=" in done.stdout
    assert "git clone" not in done.stdout
    assert "cmake (" in done.stderr and "arm-none-eabi-gcc (" in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_without_a_checkout_nothing_is_built_although_the_toolchain_is_there(path_with):
    programs = path_with("make", "gcc", "cmake", "arm-none-eabi-gcc")
    done = estctl_firmware("--board", "RPI_PICO_W", programs=programs)
    assert done.returncode == 2
    assert "git clone --branch" in done.stdout
    assert "MICROPYTHON_DIR=" in done.stderr


def test_to_show_the_commands_is_no_failure(path_with):
    programs = path_with("make", "gcc")
    shown = estctl_firmware("--board", "RPI_PICO_W", "--show", programs=programs)
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[1].startswith("git clone --branch") and "FROZEN_MANIFEST=" in lines[-2]
    assert lines[-1].startswith("# ") and "cmake (" in lines[-1]
    done = estctl_firmware("--board", "RPI_PICO_W", "--show", "--json", programs=programs)
    assert json.loads(done.stdout)["commands"] == lines[1:-1]
    wrong = estctl_firmware("--board", "NO_SUCH_BOARD", "--show", programs=programs)
    assert wrong.returncode == 2 and "NO_SUCH_BOARD is unknown" in wrong.stderr


@needs_make
def test_make_firmware_without_a_checkout_ends_without_an_error():
    command = ["make", "--no-print-directory", "firmware", "BOARD=UNIX"]
    done = subprocess.run(
        command, cwd=library.ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0 and "Error" not in done.stdout + done.stderr, done
    assert "FROZEN_MANIFEST=" in done.stdout


@pytest.mark.parametrize("board", ["NO_SUCH_BOARD", "../boards/UNIX", ""])
def test_an_unknown_board_names_the_known_ones(board):
    done = estctl_firmware("--board", board)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert ", ".join(BOARDS) in done.stderr


def test_what_is_no_micropython_or_not_this_one_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    for folder, text in (
        (tmp_path / "empty", "no source of MicroPython"),
        (checkout(tmp_path / "old", (1, 23)), "1.24 or newer"),
        (checkout(tmp_path / "other", board="PIMORONI_PICOLIPO"), "ports/rp2/boards/RPI_PICO_W"),
    ):
        done = estctl_firmware("--board", "RPI_PICO_W", "--micropython", folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert text in done.stderr


@needs_make
def test_a_build_that_fails_is_told_with_its_command(path_with, tmp_path):
    folder = checkout(tmp_path / "micropython")
    programs = path_with("gcc", "cmake", "arm-none-eabi-gcc")
    (programs / "make").symlink_to(shutil.which("make"))
    done = estctl_firmware(
        "--board", "RPI_PICO_W", "--micropython", folder, "--json", programs=programs
    )
    assert done.returncode == 1
    assert f"this failed: make -C {folder}/mpy-cross" in json.loads(done.stdout)["error"]


def test_a_release_has_its_submodules_and_a_clone_fetches_them(path_with, tmp_path):
    folder = checkout(tmp_path / "micropython")
    programs = path_with()
    asked = ["--board", "RPI_PICO_W", "--micropython", folder]
    assert " submodules" not in estctl_firmware(*asked, programs=programs).stdout
    (folder / ".git").mkdir()
    assert " submodules\n" in estctl_firmware(*asked, programs=programs).stdout


@needs_make
def test_make_firmware_passes_its_variables_on():
    command = [
        "make",
        "-n",
        "--no-print-directory",
        "firmware",
        "BOARD=RPI_PICO_W",
        "MICROPYTHON_DIR=/a b",
    ]
    done = subprocess.run(
        command,
        cwd=library.ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    words = shlex.split(done.stdout.replace("\\\n", ""))
    assert words[-4:] == ["--board", "RPI_PICO_W", "--micropython", "/a b"]


@pytest.fixture(scope="module")
def source():
    """MicroPython's source."""
    try:
        return frozen.provide_source()
    except SetupError as error:
        pytest.skip(f"no source of MicroPython: {complaint(error)}")


@pytest.mark.parametrize("board", BOARDS)
def test_micropython_reads_the_manifest_of_the_board(board, source, monkeypatch):
    monkeypatch.syspath_prepend(source / "tools")
    import manifestfile

    required = []

    class Manifest(manifestfile.ManifestFile):
        """Debian's source has no micropython-lib, so what is asked of it is only noted."""

        def require(self, name, **_):
            required.append(name)

    port = source / "ports" / firmware.port_of(board)
    places = {"MPY_DIR": source, "MPY_LIB_DIR": source / "lib/micropython-lib", "PORT_DIR": port}
    places |= {"BOARD": board, "BOARD_DIR": port / "boards" / board}
    manifest = Manifest(
        manifestfile.MODE_FREEZE, {name: str(place) for name, place in places.items()}
    )
    manifest.execute(str(library.BOARDS / board / "manifest.py"))
    files = {it.target_path: Path(it.full_path) for it in manifest.files()}
    for path in library.LIB.rglob("*.py"):
        assert files[path.relative_to(library.LIB).as_posix()].samefile(path)
    assert files["board_config.py"].samefile(library.BOARDS / board / "board_config.py")
    assert {"wifi.py", "asyncio/core.py"} <= files.keys()  # ours, and the stock firmware's
    assert ("bundle-networking" in required) == (board != "UNIX")


def test_the_unix_port_is_built_with_the_library_in_it(source, tmp_path):
    if any(shutil.which(name) is None for name in ("make", "gcc", "pkg-config")):
        pytest.skip("make, gcc and pkg-config are not all here")
    done = estctl_firmware("--board", "UNIX", "--micropython", source, "--json", deadline=500)
    assert done.returncode == 0, done.stderr[-3000:]
    program = json.loads(done.stdout)["firmware"]
    code = "import devid, est, est_limits, sys; print(sys.path[1], devid.__file__)"
    ran = subprocess.run(
        [program, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == [".frozen", "devid/__init__.py"]
    assert interpreters.probe(Path(program), "unix").problem == ""
