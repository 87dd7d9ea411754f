"""Set-up of the project: `python3 tools/setup`, which `make setup` runs.

Makes `.venv` and `.interpreters` and installs the few Debian packages that the tests use. What
is there already is left alone, so a second run only looks. Needs Python 3.10 and its standard
library. Ends with 1, and a text that says how to provide what is missing, when the venv could
not be made; a missing interpreter is told and is no failure.
"""

import sys

if sys.version_info < (3, 10):  # noqa: UP036 (people may have an older one)
    sys.exit("Python 3.10 or newer is needed; run make with PYTHON=/path/to/python3")

import fcntl
import os
import shutil
from pathlib import Path

TOOLS = Path(__file__).resolve().parent.parent
ROOT = TOOLS.parent
sys.path[0] = str(TOOLS)  # instead of this folder: so that `setup` and `estctl` can be imported

from setup import debian, micropython  # noqa: E402
from setup.environment import Environment  # noqa: E402
from setup.progress import SetupError, headline, say  # noqa: E402

# Programs that the tests and the demo start, and the Debian package of each.
_PROGRAMS = {"openssl": "openssl", "curl": "curl"}


def main() -> int:
    """Set up what is missing; return the exit status."""
    with_lock = os.open(ROOT, os.O_RDONLY)  # two set-ups at once would undo each other's work
    fcntl.flock(with_lock, fcntl.LOCK_EX)
    try:
        Environment(ROOT).provide()
        problems = _provide_programs() + micropython.provide()
    except SetupError as error:
        print(f"[setup] FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("[setup] stopped; the next run goes on from here", file=sys.stderr)
        return 130
    finally:
        os.close(with_lock)
    for problem in problems:
        say(f"note: {problem}")
    return 0


def _provide_programs() -> list[str]:
    """Install the programs that tests start; return what could not be had."""
    missing = {name: package for name, package in _PROGRAMS.items() if not shutil.which(name)}
    if not missing:
        return []
    try:
        debian.install(list(missing.values()), f"the tests use {' and '.join(missing)}")
    except SetupError as error:
        return [headline(error)]
    return []


if __name__ == "__main__":
    sys.exit(main())
