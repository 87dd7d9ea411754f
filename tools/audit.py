"""Looks the locked packages up among the known vulnerabilities (OSV): what `make audit` runs.

pip-audit is no part of `make setup`: it is installed, by the hashes of audit.lock, into a venv of
its own. Ends with 0 where nothing is known, 1 where something is, and 2 where nobody can be asked.
OSV_URL chooses another service than OSV's own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parent
sys.path[:0] = [str(TOOLS)]

from estctl import interpreters  # noqa: E402
from setup.environment import Environment  # noqa: E402
from setup.progress import SetupError, headline  # noqa: E402

LOCKS = (ROOT / "requirements.lock", TOOLS / "audit.lock")
_DEADLINE = 600  # seconds for all questions


class Unanswered(Exception):
    """Nobody could be asked; the text says why, in one line."""


def main() -> int:
    """Print what is known; return the exit status."""
    try:
        found = [line for lock in LOCKS for line in findings(lock)]
    except Unanswered as error:
        print(f"audit: nothing is known: {error}", file=sys.stderr)
        return 2
    for line in found:
        print(line)
    names = " and ".join(lock.relative_to(ROOT).as_posix() for lock in LOCKS)
    print(f"audit: {len(found) or 'no'} known vulnerabilities in {names}")
    return 1 if found else 0


def findings(lock: Path) -> list[str]:
    """Return a line for each known vulnerability of a package that a lock names."""
    command = [str(_program()), "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"]
    if os.environ.get("OSV_URL"):
        command += ["--osv-url", os.environ["OSV_URL"]]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DEADLINE, check=False
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise Unanswered(f"no answer within {_DEADLINE} s") from None
    except ValueError:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = lines[-1].rpartition(": ")[2].strip("'\")") if lines else f"status {done.returncode}"
        raise Unanswered(f"the advisory service gave no answer ({why[:200]})") from None
    return [line for package in answer["dependencies"] for line in _lines(package)]


def _lines(package: dict[str, Any]) -> list[str]:
    """Return a line for each vulnerability of a package, as pip-audit's JSON has it."""
    if "skip_reason" in package:
        raise Unanswered(f"{package['name']} was passed over: {package['skip_reason']}")
    return [
        f"{package['name']} {package['version']}: {known['id']},"
        f" mended in {', '.join(known['fix_versions']) or 'no version'}"
        for known in package["vulns"]
    ]


def _program() -> Path:
    """Return pip-audit of the venv that is made for it."""
    folder = interpreters.FOLDER / "audit"
    try:
        folder.parent.mkdir(exist_ok=True)
        Environment(ROOT, folder, LOCKS[1]).provide()
    except SetupError as error:
        raise Unanswered(f"pip-audit cannot be installed: {headline(error)}") from error
    return folder / "bin/pip-audit"


if __name__ == "__main__":
    sys.exit(main())
