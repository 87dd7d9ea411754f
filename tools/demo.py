"""`make demo`: a simulated board gets its certificate from the development EST server.

The board runs the library as compiled .mpy files in real MicroPython, 32-bit and with the heap of
a small board where that interpreter can be had, and otherwise in what there is. Exit status 0 only
when the certificate was issued, matches the board's key and chains to the CA.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from estctl import interpreters
from estctl.output import lines
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "demo"
ESTCTL = [sys.executable, "-m", "estctl"]
HEAP = "96k"
DEADLINE = 60  # seconds until the server listens, and until it ends

console = Console(highlight=False)


def main() -> int:
    """Run the demo; return the exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    interpreter, heap = _interpreter()
    console.print("[bold]1.[/] The development EST server starts, with a CA of its own.")
    command = [*ESTCTL, "server", "--json", "--port", "0", "--dir", str(FOLDER / "server")]
    with open(FOLDER / "server.log", "wb") as log:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            console.print((FOLDER / "server.log").read_text())
            return 1
        return _enrol(json.loads(line), interpreter, heap)
    finally:
        server.terminate()
        server.wait(DEADLINE)


def _interpreter() -> tuple[str, str | None]:
    """Return what the board runs, and its heap: the nearest thing to a board that is here."""
    if interpreters.find("unix32"):
        return "micropython32", HEAP
    if interpreters.find("unix"):
        return "micropython", None
    console.print(
        f"[yellow]{interpreters.why_missing('unix')} CPython runs the same files now.[/]"
    )
    return "cpython", None


def _enrol(server: dict[str, str], interpreter: str, heap: str | None) -> int:
    """Boot the board against the server and show its identity; return the exit status."""
    console.print(f"   {server['url']}, its root's SHA-256 fingerprint:")
    console.print(f"   {server['fingerprint']}", soft_wrap=True)
    console.print(
        f"[bold]2.[/] A board boots ({interpreter}{', heap ' + heap if heap else ''}): key, trust,"
        " enrolment, storage."
    )
    command = [*ESTCTL, "device", "--url", server["url"], "--flash", str(FOLDER / "flash")]
    command += ["--fingerprint", server["fingerprint"], "--user", server["user"]]
    command += ["--password-file", server["password_file"], "--interpreter", interpreter]
    command += ["--subject", "O=Demo,CN=board-{unique_id}", "--san", "dns:board.example.com"]
    command += [
        "--out-cert",
        str(FOLDER / "board.pem"),
        "--out-key",
        str(FOLDER / "board.key"),
        "--out-ca",
        str(FOLDER / "ca.pem"),
    ]
    command += ["--meter", "--json"] + (["--heap", heap] if heap else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    values = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    if done.returncode:
        console.print(f"[red]The board has no identity (exit status {done.returncode}).[/]")
        return done.returncode
    for line in values["console"]:
        console.print("   " + line, style="dim", markup=False)
    console.print("[bold]3.[/] The board's identity:")
    for line in lines(_summary(values, heap)):
        console.print("   " + line, markup=False, soft_wrap=True)
    console.print(f"   Files: {FOLDER.relative_to(ROOT)}/ (board.pem, ca.pem, flash/); try:")
    console.print(f"   openssl x509 -in {FOLDER.relative_to(ROOT)}/board.pem -noout -text")
    return 0


def _summary(values: dict[str, Any], heap: str | None) -> dict[str, str]:
    """Return what ends the demo."""
    names = ("subject", "issuer", "serial", "not_before", "not_after", "fingerprint", "verified")
    summary = {name: str(values[name]) for name in names}
    summary["time"] = f"{values['seconds']} s, boot to stored identity"
    if values["live_heap_bytes"]:
        summary["peak_heap"] = (
            f"{values['live_heap_bytes'] / 1024:.1f} KiB of live objects (sampled)"
            + (f", in a heap of {heap[:-1]} KiB" if heap else "")
        )
    return summary


if __name__ == "__main__":
    sys.exit(main())
