"""The interpreters `unix` and `unix32`, unpacked from Debian's packages into .interpreters.

A machine that has one already (MICROPYTHON=/path, MICROPYTHON32=/path, or one on the PATH that
serves) gets nothing. Nothing is installed into the machine: the programs run through the loader
and libraries of their own packages, so an older Debian can run them. What cannot be had is told
in one line and is no error of set-up: the tests say what they could not run.
"""

import os
import shutil
import tempfile
from pathlib import Path

from estctl import interpreters

from setup import debian
from setup.progress import SetupError, complaint, say, step

# The oldest suite first: it is closest to what "1.24 or newer" promises. The others serve where
# a mirror is between two states, which happens one architecture at a time.
_SUITES = ("trixie", "forky", "sid")
_PACKAGES = ("micropython", "libfaketime")
# What an unpacked package has and no program here needs.
_SURPLUS = ("usr/share", "usr/lib/*/gconv", "var", "usr/sbin", "usr/lib/*/audit")

_WRAPPER = """\
#!/bin/sh
# Starts MicroPython through its own loader and libraries. Made by `make setup`.
# EST_FAKETIME='2000-01-01 00:00:05' (UTC) sets the clock that the program sees; with a leading @
# it goes on from there. EST_FAKETIME_FILE=/path reads the seconds between real time and the
# program's from a file ('+86400'), at every look at the clock.
root="${{0%/*}}/root"
set -- "$root/{program}" "$@"
if [ -n "$EST_FAKETIME$EST_FAKETIME_FILE" ]; then
    if [ -n "$EST_FAKETIME_FILE" ]; then
        unset FAKETIME
        export FAKETIME_TIMESTAMP_FILE="$EST_FAKETIME_FILE" FAKETIME_NO_CACHE=1
    else
        export FAKETIME="$EST_FAKETIME"
    fi
    # Only the calendar is moved: asyncio's waits use the monotonic clock.
    export TZ=UTC NO_FAKE_STAT=1 FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
    set -- --preload "$root/{faketime}" "$@"
fi
exec "$root/{loader}" --library-path "$root/{libraries}" "$@"
"""


def provide() -> list[str]:
    """Make both interpreters available where that is possible; return what could not be had."""
    problems: list[str] = []
    unreachable = ""
    for name in interpreters.VARIABLES:
        if os.environ.get(interpreters.VARIABLES[name]):
            if interpreters.find(name) is None:
                problems.append(interpreters.why_missing(name))
            continue
        if _present(name):
            _renew_wrapper(name)
            continue
        try:
            if unreachable:
                raise debian.Unreachable(unreachable)
            _unpack(name)
        except SetupError as error:
            if isinstance(error, debian.Unreachable):
                unreachable = str(error)
            problems.append(_advice(name, complaint(error)))
    return problems


def _present(name: str) -> bool:
    """Tell whether the interpreter `name` is here already; a look at files, where it can be."""
    return os.access(interpreters.wrapper(name), os.X_OK) or interpreters.on_path(name) is not None


def _renew_wrapper(name: str) -> None:
    """Write the script anew that starts an unpacked program: a later version of it can do more."""
    if os.access(interpreters.wrapper(name), os.X_OK):
        _make_wrapper(interpreters.wrapper(name).parent)


def _advice(name: str, reason: str) -> str:
    """Return the line for a person who has no interpreter `name`: why, and how to bring one."""
    oldest = interpreters.dotted(interpreters.OLDEST)
    bits = "32-bit " if name == "unix32" else ""
    return (
        f"no {name} interpreter: {reason}. To provide it, set {interpreters.VARIABLES[name]}="
        f"/path/to/micropython ({bits}MicroPython {oldest} or newer with the module `tls`)"
        + (", or install the package micropython" if name == "unix" else "")
    )


def _architecture(name: str) -> str:
    """Return the Debian architecture of the interpreter `name`; raise where none runs here."""
    if not debian.available() or debian.release().get("ID") != "debian":
        raise SetupError("this is not Debian, so its packages cannot be fetched")
    machine = debian.architecture()
    if name == "unix" and machine != "i386":
        return machine
    if name == "unix32" and machine in ("amd64", "i386"):
        return "i386"
    raise SetupError(f"a machine of architecture {machine} does not run it")


def _unpack(name: str) -> None:
    """Fetch, unpack, try; then move the folder to its place in one step."""
    arch = _architecture(name)
    interpreters.FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=f"{name}-", dir=interpreters.FOLDER) as folder,
        step(f"MicroPython for {name} ({arch}): fetching Debian's packages, in a private folder"),
    ):
        work = Path(folder)
        made = work / "made"
        packages = _fetch(work / "apt", arch)
        debian.unpack(packages, made / "root")
        program = _make_wrapper(made)
        _slim(made / "root")
        found = interpreters.probe(program, name)
        if found.problem:
            raise SetupError(f"the unpacked micropython {found.problem}")
        made.chmod(0o755)
        place = interpreters.wrapper(name).parent
        shutil.rmtree(place, ignore_errors=True)
        made.rename(place)
        say(f"    MicroPython {found.version} is in {place.relative_to(interpreters.ROOT)}")


def _fetch(folder: Path, arch: str) -> list[Path]:
    """Download the packages of the first suite that can give them."""
    first: SetupError | None = None
    for suite in _SUITES:
        try:
            return debian.fetch_from_mirrors(folder, suite, arch, _PACKAGES)
        except debian.Unreachable:
            raise
        except SetupError as error:
            say(f"    {suite} does not give them now ({complaint(error)})")
            first = first or error
    raise first or SetupError("there is no suite to try")


def _make_wrapper(folder: Path) -> Path:
    """Write the script that starts the unpacked program; return its path."""
    root = folder / "root"
    loader = _one(root, "**/ld-*.so.*")
    parts = {
        "program": "usr/bin/micropython",
        "faketime": _one(root, "usr/lib/*/faketime/libfaketime.so.1"),
        "loader": loader,
        "libraries": str(Path(loader).parent),
    }
    wrapper, text = folder / "micropython", _WRAPPER.format(**parts)
    if not wrapper.exists() or wrapper.read_text() != text:
        new = folder / "micropython.new"  # the old one may be running
        new.write_text(text)
        new.chmod(0o755)
        new.replace(wrapper)
    return wrapper


def _one(root: Path, pattern: str) -> str:
    """Return the one regular file in `root` that has the pattern, relative to `root`."""
    found = sorted(path for path in root.glob(pattern) if path.is_file() and not path.is_symlink())
    if not found:
        raise SetupError(f"the packages have no {pattern}: they are made in another way now")
    return str(found[0].relative_to(root))


def _slim(root: Path) -> None:
    """Remove from an unpacked root what is not needed to run: three quarters of it."""
    for pattern in _SURPLUS:
        for path in root.glob(pattern):
            shutil.rmtree(path)
