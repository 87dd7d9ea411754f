"""Where the MicroPython interpreters of this machine are: the one place that knows.

`unix` is the 64-bit unix port and `unix32` the 32-bit one (object sizes as on a board). Each is
looked for in an environment variable, then in `.interpreters` (filled by `make setup`), then, for
`unix`, on the PATH. `rp2like` is `unix32` with RP2's TLS, which takes its memory from Python's
heap: setup.frozen builds it where a test or `make bench` needs it. Standard library only:
`tools/setup` uses this module before the venv exists. It does not install anything.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".interpreters"

OLDEST = (1, 24)  # the first MicroPython that the library supports
CLOCK_VARIABLE = "FAKETIME_TIMESTAMP_FILE"  # libfaketime's: the file of the time in which we live
VARIABLES = {"unix": "MICROPYTHON", "unix32": "MICROPYTHON32"}
_BITS = {"unix": 64, "unix32": 32}
_PROBE_DEADLINE = 20  # seconds: a start takes milliseconds, unless the program is something else
_PROBE = (
    "import sys, json, asyncio, tls\n"
    "print(json.dumps([sys.implementation.name, list(sys.implementation.version[:3]),"
    " 32 if sys.maxsize < 1 << 32 else 64]))"
)


class Probe(NamedTuple):
    """What a program said about itself: `problem` is "" where it serves, else a sentence part."""

    version: str
    problem: str


def find(name: str) -> Path | None:
    """Return the interpreter `name` ("unix", "unix32" or "rp2like"), or None: there is none.

    A variable that is set wins, also where what it names cannot be used: then None is returned,
    and `why_missing` says what is wrong, instead of another interpreter being used silently.
    """
    chosen = os.environ.get(VARIABLES[name]) if name in VARIABLES else None
    if chosen:
        program = Path(chosen).expanduser().absolute()
        return None if probe(program, name).problem else program
    if name == "rp2like" and not (FOLDER / "frozen" / "stock").is_file():
        return None  # there is only what it is built with
    installed = wrapper(name)
    if os.access(installed, os.X_OK):
        return installed
    return on_path(name)


def why_missing(name: str) -> str:
    """Return a sentence for a person: why `find(name)` gave None, and what to do about it."""
    if name == "rp2like":
        return (
            "The interpreter rp2like is not here: `make bench` builds it, from Debian's sources"
            " and with Debian's compiler, on an amd64 machine that runs Debian."
        )
    variable = VARIABLES[name]
    chosen = os.environ.get(variable)
    if chosen:
        problem = probe(Path(chosen).expanduser().absolute(), name).problem
        return f"The interpreter {name} cannot be used: {variable}={chosen} {problem}."
    return (
        f"The interpreter {name} (MicroPython {dotted(OLDEST)} or newer, {_BITS[name]}-bit) is not"
        f" here: run `make setup`, or set {variable}=/path/to/micropython."
    )


def can_fake_time(name: str) -> bool:
    """Tell whether the interpreter `name` honours EST_FAKETIME (the ones of `make setup` do).

    EST_FAKETIME='2000-01-01 00:00:05' stops the clock there; '@2000-01-01 00:00:05' starts it
    there and lets it run. Both are UTC.
    """
    return name in VARIABLES and find(name) == wrapper(name)


@functools.cache
def python_in(clock: Path) -> tuple[list[str], dict[str, str]] | None:
    """Return how to start this Python so that it sees the time of a file: command, environment.

    clock: see EST_FAKETIME_FILE. None where there is no libfaketime for it: it comes with the
    interpreter `unix` of `make setup`, together with the C library that it needs.
    """
    root = wrapper("unix").parent / "root"
    found = sorted(root.glob("usr/lib/*/faketime/libfaketime.so.1"))
    loaders = sorted(root.glob("usr/lib/*/ld-*.so.*"))
    if not found or not loaders:
        return None
    environment = {
        CLOCK_VARIABLE: str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # else no .pyc file would look current
        "TZ": "UTC",
    }
    loader = [str(loaders[0]), "--preload", str(found[0])]
    loader += ["--library-path", str(loaders[0].parent), sys.executable]
    # A machine with an older C library than libfaketime's: Python runs with the unpacked one.
    preload = {**environment, "LD_PRELOAD": str(found[0])}
    for command, more in (([sys.executable], preload), (loader, environment)):
        done = subprocess.run(
            [*command, "-c", "import ssl"],
            env={**os.environ, **more},
            capture_output=True,
            timeout=_PROBE_DEADLINE,
            check=False,
        )
        if done.returncode == 0 and not done.stderr:  # ld.so only warns where it cannot preload
            return command, more
    return None


def wrapper(name: str) -> Path:
    """Return where set-up puts the program that starts the interpreter `name`."""
    if name == "rp2like":
        return FOLDER / "frozen" / "micropython-stock"
    return FOLDER / name / "micropython"


def on_path(name: str) -> Path | None:
    """Return the `micropython` on the PATH where it can serve as `name` (only "unix"), or None."""
    found = shutil.which("micropython") if name == "unix" else None
    if found is None or probe(Path(found), name).problem:
        return None
    return Path(found).absolute()


@functools.cache
def probe(program: Path, name: str) -> Probe:
    """Start `program` and tell whether it can serve as the interpreter `name`."""
    try:
        done = subprocess.run(
            [str(program), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_DEADLINE,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it did not end in time"
        return Probe("", f"does not start ({reason})")
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        return Probe("", f"fails at `import asyncio, tls` ({last})")
    return _judge(done.stdout, name)


def _judge(answer: str, name: str) -> Probe:
    """Read what the probe printed; compare it with what the interpreter `name` must be."""
    try:
        implementation, numbers, bits = json.loads(answer)
        version = tuple(int(number) for number in numbers)
    except (ValueError, TypeError):
        return Probe("", "is not MicroPython")
    if implementation != "micropython":
        return Probe("", f"is {implementation}, not MicroPython")
    if version < OLDEST:
        return Probe(dotted(version), f"is MicroPython {dotted(version)}, too old")
    # Whoever sets MICROPYTHON to a 32-bit program means it; the heap is then a board's.
    if name == "unix32" and bits != 32:
        return Probe(dotted(version), f"is a {bits}-bit program")
    return Probe(dotted(version), "")


def dotted(version: tuple[int, ...]) -> str:
    """Return a version as text: (1, 24) gives "1.24"."""
    return ".".join(str(number) for number in version)
