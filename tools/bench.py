"""`make bench`: what the library costs, as ratios, counts and sizes; writes build/bench.json.

Times are compared only with baselines of the same run in the same interpreter: these machines are
noisy. On the Cortex-M machines time is a count of instructions, which repeats. `_portable` is the
engine of P-256 on big integers; what has no suffix is the one that the library chooses. The
smallest heap of a whole first boot is found by trying.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cacerts_cost
import p256_cost
import stall_cost
from counting_proxy import CountingProxy
from estctl import interpreters, simulation
from rich import box
from rich.console import Console
from rich.table import Table
from setup import cortex_m, frozen
from setup.progress import SetupError, complaint

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "build" / "bench.json"
ESTCTL = [sys.executable, "-m", "estctl"]
NEAR_KIB, STEP_KIB, LARGEST_KIB = 72, 2, 512  # where the search for the smallest heap begins
_OPERATIONS = ("keygen", "sign", "verify")
_RENEW = """\
async def main(identity):
    print("renew:", await identity.renew())
"""

console = Console(highlight=False)
_WIDTH = 110  # columns of the table of figures


def main() -> None:
    """Measure, print a table, write the JSON file."""
    bench: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        there, process = server(folder)
        try:
            for interpreter in ("unix", "unix32"):
                if interpreters.find(interpreter) is None:
                    console.print(interpreters.why_missing(interpreter))
                    continue
                console.print(f"measuring {interpreter} ...")
                bench[interpreter] = {**_unix(folder, interpreter)}
                bench[interpreter].update(_boots(folder, there, interpreter))
                if interpreter == "unix32":
                    growth, _ = cacerts_cost.growth(folder)
                    bench[interpreter]["cacerts_heap_growth_bytes"] = growth
            bench.update(_rp2like(folder, there))
            bench["host"] = _host(folder, there)
        finally:
            process.terminate()
            process.wait(30)
        bench["cpython"] = _ratios(p256_cost.cpython(), "")
        try:
            cortex_m.provide()
        except SetupError as error:
            console.print(f"no MicroPython for Cortex-M: {complaint(error)}")
        else:
            for chip in ("cortex_m0", "cortex_m3"):
                console.print(f"measuring {chip} ...")
                bench[chip] = _chip(folder, chip)
            if "unix32" in bench:
                console.print("measuring a renewal ...")
                bench["unix32"].update(_stalls(folder))
            bench["cortex_m3"]["p256_heap_kib"] = round(p256_cost.heap(folder) / 1024, 1)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(bench, indent=2) + "\n")
    Console(width=max(console.width, _WIDTH)).print(_table(bench))
    console.print(f"written to {RESULT.relative_to(ROOT)}")


def _ratios(took: dict[str, Any], suffix: str) -> dict[str, Any]:
    """Return the figures of what p256_cost measured with one engine; suffix: of their names."""
    figures = {
        "keygen_vs_affine": took["affine"] / took["keygen"],
        "keygen_vs_jacobian": took["jacobian"] / took["keygen"],
        "sign_vs_affine": took["affine"] / took["sign"],
        "verify_vs_jacobian": 2 * took["jacobian"] / took["verify"],
    }
    if "garbage_bytes" in took:
        figures["keygen_garbage_kib"] = took["garbage_bytes"] / 1024
    return {name + suffix: round(figure, 1) for name, figure in figures.items()}


def _unix(folder: Path, interpreter: str) -> dict[str, Any]:
    """Return what P-256 costs in an interpreter of the unix port."""
    figures = {}
    for engine, suffix in p256_cost.ENGINES.items():
        figures.update(_ratios(p256_cost.unix(interpreter, engine, folder), suffix))
    return {**figures, **_sha512(interpreter, folder)}


def _sha512(name: str, folder: Path) -> dict[str, float]:
    times = p256_cost.sha512(name, folder)
    return {"sha512_vs_portable": round(times, 1)} if times else {}


def _chip(folder: Path, chip: str) -> dict[str, Any]:
    """Return what P-256 costs on a Cortex-M machine."""
    figures = {}
    for engine, suffix in p256_cost.ENGINES.items():
        took = p256_cost.chip(chip, engine, True, folder)
        figures.update({**_ratios(took, suffix), **instructions(took, engine)})
    return {**figures, **_sha512(chip, folder), **stall_cost.chip(chip, folder)}


def _stalls(folder: Path) -> dict[str, float]:
    """Return the longest stretches of a renewal in which other tasks get no turn."""
    there, process = server(folder)
    pin = ["--fingerprint", there["fingerprint"]]
    try:
        with tempfile.TemporaryDirectory(dir=folder) as flash:
            first_boot(folder, there, "unix32", *pin, flash=flash)
            return stall_cost.renewal(
                folder,
                Path(flash),
                lambda: _device("unix32", flash, "--heap", stall_cost.HEAP),
            )
    finally:
        process.terminate()
        process.wait(30)


def server(folder: Path) -> tuple[dict[str, Any], subprocess.Popen[bytes]]:
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


def instructions(took: dict[str, Any], engine: str) -> dict[str, float]:
    """Return the million instructions of each operation that p256_cost.chip() counted."""
    suffix = p256_cost.ENGINES[engine]
    return {f"{name}_minstr{suffix}": round(took[name], 2) for name in _OPERATIONS}


def _boots(folder: Path, server: dict[str, Any], interpreter: str) -> dict[str, Any]:
    """Return what connections() does, and the smallest heap of a first boot by fingerprint."""
    pin = ["--fingerprint", server["fingerprint"]]

    def fits(kib: int) -> bool:
        more = [*pin, "--heap", f"{kib}k"]
        return first_boot(folder, server, interpreter, *more) is not None

    return {
        **connections(folder, server, interpreter),
        "first_boot_heap_kib": _smallest(fits),
    }


def connections(folder: Path, server: dict[str, Any], interpreter: str) -> dict[str, int]:
    """Return the handshakes and the octets of a first boot, and the handshakes of a renewal.

    A renewal takes two: the old certificate authenticates the request (RFC 7030 4.2.2), and the
    new one is proved before the old one is dropped. One handshake cannot do both: MicroPython's
    `tls` has neither renegotiation nor TLS 1.3's later authentication of the client, and a
    resumed session would prove the old certificate again.
    """
    with CountingProxy(server["url"]) as proxy:
        there = {**server, "url": proxy.url}
        known = first_boot(folder, there, interpreter, "--anchors", server["anchors"])
    with tempfile.TemporaryDirectory(dir=folder) as flash:
        pin = ["--fingerprint", server["fingerprint"]]
        pinned = first_boot(folder, server, interpreter, *pin, flash=flash)
        (Path(flash) / "app.py").write_text(_RENEW)
        renewed = _device(interpreter, flash)
    if not (known and pinned and renewed and "renew: renewed" in renewed["console"]):
        raise SystemExit(f"a boot fails in {interpreter}: see `make demo`")
    return {
        "first_boot_handshakes": _handshakes(known),
        "fingerprint_boot_handshakes": _handshakes(pinned),
        "renewal_handshakes": _handshakes(renewed),
        "first_boot_bytes_sent": proxy.sent,
        "first_boot_bytes_received": proxy.received,
    }


def _host(folder: Path, server: dict[str, Any]) -> dict[str, float]:
    """Return a first boot's time in the 64-bit interpreter against curl and openssl's.

    Both know the anchors, make a key and a request, fetch the CA certificates and enrol; the board
    also checks what it gets, and stores it. In turn, the least of each: other programs only add.
    """
    if not (shutil.which("curl") and shutil.which("openssl") and interpreters.find("unix")):
        return {}
    took: list[tuple[float, float]] = []
    for number in range(5):
        booted = first_boot(folder, server, "unix", "--anchors", server["anchors"])
        assert booted is not None
        work = folder / f"curl-{number}"
        work.mkdir()
        started = time.monotonic()
        _enrol_by_curl(work, server)
        took.append((booted["seconds"], time.monotonic() - started))
    boot, curl = (min(times) for times in zip(*took, strict=True))
    return {"first_boot_vs_curl_openssl": round(boot / curl, 2)}


def _enrol_by_curl(work: Path, server: dict[str, Any]) -> None:
    """Enrol as shell scripts do. Raises CalledProcessError, or OSError without a certificate."""
    url = urlsplit(server["url"])
    label = url.path.rstrip("/")
    base = f"{url.scheme}://{url.netloc}/.well-known/est{label}"
    (work / "curlrc").touch(0o600)
    password = Path(server["password_file"]).read_text().strip()
    (work / "curlrc").write_text(f'user = "{server["user"]}:{password}"\n')
    curl = ["curl", "--silent", "--fail", "--cacert", server["anchors"]]
    request = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    request += ["-nodes", "-keyout", "key", "-subj", "/CN=device", "-outform", "DER"]
    enrol = [*curl, "--config", "curlrc", "--data-binary", "@request.b64", "--output", "got"]
    enrol += ["--header", "Content-Type: application/pkcs10", f"{base}/simpleenroll"]
    pkcs7 = ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-out", "certificate"]
    for command in (
        [*curl, "--output", "ca", f"{base}/cacerts"],
        [*request, "-out", "request"],
        ["openssl", "base64", "-in", "request", "-out", "request.b64"],
        enrol,
        ["openssl", "base64", "-d", "-in", "got", "-out", "got.der"],
        [*pkcs7, "-in", "got.der"],
    ):
        subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=60)
    if "BEGIN CERTIFICATE" not in (work / "certificate").read_text():
        raise OSError("curl has got no certificate")


def _smallest(fits: Callable[[int], bool]) -> int:
    """Return the smallest heap (KiB) that fits, by bisection around the last known one."""
    low, high, step = NEAR_KIB - STEP_KIB, NEAR_KIB, STEP_KIB
    while not fits(high):
        low, step = high, 2 * step
        high += step
        if high > LARGEST_KIB:
            raise SystemExit(f"no heap up to {LARGEST_KIB} KiB is enough for a first boot")
    while low > 0 and step == STEP_KIB and fits(low):
        high, low = low, low - STEP_KIB
    while high - low > STEP_KIB:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def first_boot(
    folder: Path, server: dict[str, Any], interpreter: str, *more: str, flash: str | None = None
) -> dict[str, Any] | None:
    """Boot a new board once; return its report, or None where the boot failed."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        options = ["--url", server["url"], "--user", server["user"]]
        options += ["--password-file", server["password_file"], *more]
        return _device(interpreter, flash or own, *options)


def _device(interpreter: str, flash: str, *options: str) -> dict[str, Any] | None:
    name = next(name for name, known in simulation.INTERPRETERS.items() if known == interpreter)
    command = [*ESTCTL, "device", "--json", "--interpreter", name, "--flash", flash, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _handshakes(report: dict[str, Any]) -> int:
    return sum(line.startswith("connecting to ") for line in report["console"])


def _table(bench: dict[str, dict[str, Any]]) -> Table:
    """Return all figures, one column an interpreter."""
    table = Table("figure", *bench, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in table.columns:
        column.no_wrap = True
    names = list(dict.fromkeys(name for figures in bench.values() for name in figures))
    for name in names:
        table.add_row(name, *(str(figures.get(name, "")) for figures in bench.values()))
    return table


if __name__ == "__main__":
    main()
