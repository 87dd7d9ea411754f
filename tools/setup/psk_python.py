"""A venv of a CPython whose ssl has pre-shared keys (3.13 on), beside the one of `make setup`.

No part of `make setup`, but of the tests of `estctl server --psk`: `provide()` makes it in
.interpreters/cpython_psk, with the packages of requirements.lock, where this machine has such a
Python.
"""

import fcntl
import os
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

from estctl import interpreters

from setup.progress import SetupError, run

FOLDER = interpreters.FOLDER / "cpython_psk"
_TOOLS = Path(__file__).resolve().parent.parent
_NEWER = (13, 14, 15)  # the minor versions that are looked for
_DEADLINE = 1500  # seconds, as long as pip may take and a little more
_MAKE = (
    "import sys; from pathlib import Path; from setup.environment import Environment;"
    " Environment(Path(sys.argv[1]), Path(sys.argv[2])).provide()"
)


def find() -> str:
    """Return a Python with pre-shared keys, without packages. Raises SetupError without one."""
    if getattr(ssl, "HAS_PSK", False):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [shutil.which(f"python3.{minor}") for minor in _NEWER]
    for minor in _NEWER:
        found += [str(path) for path in sorted(pyenv.glob(f"3.{minor}.*/bin/python"))]
    check = "import ssl; raise SystemExit(not ssl.HAS_PSK)"
    for program in filter(None, found):
        done = subprocess.run([program, "-c", check], capture_output=True, check=False)
        if done.returncode == 0:
            return program
    raise SetupError("no CPython from 3.13 on with TLS-PSK is on this machine")


def provide() -> str:
    """Return a Python that has pre-shared keys and can run estctl. Raises SetupError.

    Safe to be called by several processes at once: one makes the venv, the others wait for it.
    """
    program = find()
    if program == sys.executable:
        return program
    FOLDER.parent.mkdir(exist_ok=True)
    with open(FOLDER.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(
            [program, "-c", _MAKE, str(interpreters.ROOT), str(FOLDER)],
            deadline=_DEADLINE,
            env={**os.environ, "PYTHONPATH": str(_TOOLS)},
        )
    return str(FOLDER / "bin/python")
