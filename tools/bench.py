"""`make bench`: what the library costs, as ratios, counts and sizes; writes build/bench.json.

Times are compared only with baselines of the same run in the same interpreter: these machines are
noisy. The smallest heap of a whole first boot is found by bisection.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from estctl import interpreters, library, simulation
from estctl.mpy import UNIX_MARCH, compile_file
from rich.console import Console
from rich.table import Table
from setup import frozen
from setup.progress import SetupError, complaint

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "build" / "bench.json"
ESTCTL = [sys.executable, "-m", "estctl"]
ARITHMETIC_HEAP = "1m"  # the baselines make a megabyte of garbage
LARGEST_KIB, STEP_KIB = 256, 2  # of the bisection

console = Console(highlight=False)


def main() -> None:
    """Measure, print a table, write the JSON file."""
    bench: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server, process = _server(folder)
        try:
            for interpreter in ("unix", "unix32"):
                program = interpreters.find(interpreter)
                if program is None:
                    console.print(interpreters.why_missing(interpreter))
                    continue
                console.print(f"measuring {interpreter} ...")
                start = [str(program), "-X", f"heapsize={ARITHMETIC_HEAP}"]
                compiled = _compile(folder / interpreter, UNIX_MARCH[interpreter])
                bench[interpreter] = {
                    **_arithmetic(start, compiled),
                    **_boots(folder, server, interpreter),
                }
            bench.update(_rp2like(folder, server))
        finally:
            process.terminate()
            process.wait(30)
        shims = [library.LIB, library.SHIM / "cpython"]
        bench["cpython"] = _arithmetic([sys.executable], *shims)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(bench, indent=2) + "\n")
    console.print(_table(bench))
    console.print(f"written to {RESULT.relative_to(ROOT)}")


def _compile(target: Path, march: str) -> Path:
    """Compile lib/ into target; return target."""
    for source in library.LIB.rglob("*.py"):
        name = source.relative_to(library.LIB)
        compile_file(source, target / name.with_suffix(".mpy"), str(name), march)
    return target


def _arithmetic(start: list[str], *path: Path) -> dict[str, Any]:
    """Return the ratios of P-256 in one interpreter."""
    command = [*start, str(ROOT / "host_tests" / "bench_p256.py"), *(str(part) for part in path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    took = json.loads(done.stdout)
    ratios = {
        "keygen_vs_affine": took["affine_us"] / took["keygen_us"],
        "keygen_vs_jacobian": took["jacobian_us"] / took["keygen_us"],
        "sign_vs_affine": took["affine_us"] / took["sign_us"],
        "verify_vs_jacobian": 2 * took["jacobian_us"] / took["verify_us"],
    }
    result: dict[str, Any] = {name: round(ratio, 1) for name, ratio in ratios.items()}
    if "garbage_bytes" in took:
        result["keygen_garbage_kib"] = round(took["garbage_bytes"] / 1024, 1)
    return result


def _server(folder: Path) -> tuple[dict[str, Any], subprocess.Popen[bytes]]:
    """Start the development server; return what it said and its process."""
    command = [*ESTCTL, "server", "--json", "--port", "0", "--dir", str(folder / "server")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    return json.loads(process.stdout.readline()), process


def _rp2like(folder: Path, server: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures of a first boot where TLS takes its memory from Python's heap, as on RP2.

    The interpreter is built where it is not here; nothing is returned where that is impossible.
    """
    try:
        frozen.provide_stock()
    except SetupError as error:
        console.print(f"rp2like cannot be built: {complaint(error)}")
        return {}
    console.print("measuring rp2like ...")
    return {"rp2like": _boots(folder, server, "rp2like")}


def _boots(folder: Path, server: dict[str, Any], interpreter: str) -> dict[str, Any]:
    """Return the handshakes and the smallest heap of a first boot."""
    pinned = _boot(folder, server, interpreter, None, "--fingerprint", server["fingerprint"])
    known = _boot(folder, server, interpreter, None, "--anchors", server["anchors"])
    if pinned is None or known is None:
        raise SystemExit(f"the first boot fails in {interpreter}: see `make demo`")
    low, high = 0, LARGEST_KIB  # fails with low, completes with high
    while high - low > STEP_KIB:
        middle = (low + high) // 2
        went = _boot(folder, server, interpreter, middle, "--fingerprint", server["fingerprint"])
        low, high = (low, middle) if went else (middle, high)
    return {
        "first_boot_handshakes": _handshakes(known),
        "fingerprint_boot_handshakes": _handshakes(pinned),
        "first_boot_heap_kib": high,
    }


def _boot(
    folder: Path, server: dict[str, Any], interpreter: str, heap: int | None, *trust: str
) -> dict[str, Any] | None:
    """Boot a new board once; return its report, or None where the boot failed."""
    name = next(name for name, known in simulation.INTERPRETERS.items() if known == interpreter)
    with tempfile.TemporaryDirectory(dir=folder) as flash:
        command = [*ESTCTL, "device", "--json", "--url", server["url"], "--flash", flash, *trust]
        command += ["--user", server["user"], "--password-file", server["password_file"]]
        command += ["--interpreter", name] + (["--heap", f"{heap}k"] if heap else [])
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _handshakes(report: dict[str, Any]) -> int:
    return sum(line.startswith("connecting to ") for line in report["console"])


def _table(bench: dict[str, dict[str, Any]]) -> Table:
    """Return all figures, one column an interpreter."""
    table = Table("figure", *bench)
    names = list(dict.fromkeys(name for figures in bench.values() for name in figures))
    for name in names:
        table.add_row(name, *(str(figures.get(name, "")) for figures in bench.values()))
    return table


if __name__ == "__main__":
    main()
