"""`make fuzz SECONDS=600`: searches for inputs that reach new code or break a parser, by coverage.

atheris (libFuzzer) runs each target of targets.py for its share of the time, in CPython, from the
kept corpus and what earlier searches found. What reaches new code is added to build/fuzz/TARGET;
what breaks a rule lies in build/fuzz/broken/TARGET-..., and the exit status is 1.

    python host_tests/fuzz/search.py SECONDS [TARGET ...]
"""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FUZZ = Path(__file__).resolve().parent
HOST_TESTS = FUZZ.parent
ROOT = HOST_TESTS.parent
FOUND = ROOT / "build/fuzz"
BROKEN = FOUND / "broken"
LOCK = FUZZ / "requirements.lock"
LONGEST = 4096  # octets of an input
SLOW = 10  # seconds that one input may take: a thousand times of what it does
INSTALL_DEADLINE = 600  # seconds
sys.path[:0] = [
    str(path) for path in (FUZZ, ROOT / "lib", HOST_TESTS / "shim/cpython", HOST_TESTS)
]


def main(seconds: str, wanted: list[str]) -> int:
    """Search for so many seconds in all; return the exit status."""
    import targets

    names = wanted or targets.names()
    unknown = [name for name in names if name not in targets.names()]
    if unknown or not seconds.isdigit() or int(seconds) < 1:
        print("usage: make fuzz SECONDS=N, or search.py N [" + " | ".join(targets.names()) + "]")
        return 2
    problem = _install()
    if problem:
        print(problem)
        return 1
    share = max(1, round(int(seconds) / len(names)))
    BROKEN.mkdir(parents=True, exist_ok=True)
    print(f"{len(names)} parsers, {share} s each")
    broken = [name for name in names if not _searched(name, share)]
    print(f"new inputs: {FOUND.relative_to(ROOT)}/TARGET; keep the interesting ones as")
    print("host_tests/vectors/fuzz/TARGET/WHAT-IT-IS, so that make test runs them on MicroPython")
    if broken:
        print(f"BROKEN: {', '.join(broken)}; the inputs are in {BROKEN.relative_to(ROOT)}")
    return 1 if broken else 0


def _install() -> str:
    """Install atheris into this environment, where it is not; return why that cannot be, or ""."""
    if importlib.util.find_spec("atheris"):
        return ""
    print("installing atheris, which searches by coverage")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=INSTALL_DEADLINE)
        installed = done.returncode == 0
    except subprocess.TimeoutExpired:
        installed = False
    if installed:
        return ""
    return (
        "make fuzz needs atheris, and pip found no wheel of it for this Python and machine"
        f" ({sys.version_info[0]}.{sys.version_info[1]}, {os.uname().machine}); make test and"
        " make torture fuzz the same parsers without it"
    )


def _searched(name: str, seconds: int) -> bool:
    """Search one target in a process of its own; return whether it kept to the rules."""
    found = FOUND / name
    found.mkdir(exist_ok=True)
    before = len(list(found.iterdir()))
    command = [sys.executable, str(Path(__file__).resolve()), "--one", name, str(found)]
    command += [str(HOST_TESTS / "vectors/fuzz" / name), f"-max_total_time={seconds}"]
    command += [f"-max_len={LONGEST}", f"-timeout={SLOW}", f"-artifact_prefix={BROKEN}/{name}-"]
    with tempfile.TemporaryDirectory() as folder:  # for the targets that write files
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                cwd=folder,
                timeout=seconds + 120,
            )
            status, log = done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as error:
            status, log = 1, str(error)
    runs = re.findall(r"^#(\d+)\s", log, re.M)
    coverage = re.findall(r"\bcov: (\d+)", log)
    new = len(list(found.iterdir())) - before
    print(
        f"  {name:20} {runs[-1] if runs else 0:>8} runs, {coverage[-1] if coverage else 0:>5}"
        f" edges, {new:>4} new" + ("" if status == 0 else "  BROKEN"),
        flush=True,
    )
    if status:
        (BROKEN / f"{name}.log").write_text(log)
    return status == 0


def _one(name: str, arguments: list[str]) -> None:
    """Be the process that searches one target."""
    import atheris

    # All that a target loads is instrumented, and what the standard library does is not.
    with atheris.instrument_imports(include=_modules()):
        import targets
    hook = atheris.instrument_imports(include=_modules())
    hook.__enter__()  # for good: targets load what they need when they run
    tell = atheris.instrument_func(targets.run)
    # What it loads is instrumented now, which takes seconds, and not while the clock runs.
    for path in sorted((HOST_TESTS / "vectors/fuzz" / name).iterdir()):
        tell(name, path.read_bytes())
    atheris.Setup([sys.argv[0], *arguments], lambda octets: tell(name, octets))
    atheris.Fuzz()


def _modules() -> list[str]:
    """Return the names of the library's modules."""
    return ["targets", "devid", "pki"] + [path.stem for path in (ROOT / "lib").glob("*.py")]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main(sys.argv[1] if sys.argv[1:] else "", sys.argv[2:]))
