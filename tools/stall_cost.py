"""How long the library gives other asyncio tasks no turn.

On a chip: the most instructions of one stretch in P-256, which repeat (host_tests/bench_turns.py).
In `unix32`: the longest stretches of a whole renewal in CPU time (bench_stall.py), without what
P-256's machine code takes: that counts on the chips. CPU time there becomes an ESP32's by the
instructions that the same byte code and big integers take on a Cortex-M3 (bench_scale.py).
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import p256_cost
from estctl import interpreters

# Cycles of an instruction, as published benchmarks of MicroPython on these chips suggest, and Hz.
_CHIPS = {"cortex_m3": (2.2, 240e6), "cortex_m0": (2.0, 125e6)}  # as an ESP32 and an RP2040
HEAP = "160k"
_TIMES = 7
_PROCESSES = 5  # as in p256_cost


def chip(name: str, folder: Path) -> dict[str, float]:
    """Return the longest stretch of P-256 in ms of the chip that a Cortex-M stands for.

    folder: where p256_cost.chip() has compiled the library.
    """
    took = p256_cost.counted(name, "viper", "bench_turns", folder)
    return {"longest_stall_ms": round(_ms(name, max(took.values())), 1)}


def renewal(
    folder: Path, flash: Path, device: Callable[[], dict[str, Any] | None]
) -> dict[str, float]:
    """Return the longest stretches of a renewal in `unix32`, in ms of an ESP32.

    flash: of an enrolled board; device: boots it; folder: as in chip(), for both interpreters.
    The key `longest_stall_ms` is what the library's own Python does, `tls_stall_ms` the TLS
    stack's, and `load_stall_ms` the loading of one module, where it is not frozen in.
    """
    shutil.copy(p256_cost.SCRIPTS / "bench_stall.py", flash / "app.py")
    found = []
    for _ in range(_TIMES):
        report = device()
        lines = (
            [line for line in report["console"] if line.startswith("stall: ")] if report else []
        )
        if not lines:
            raise SystemExit("a renewal fails in unix32: see `make demo`")
        found.append(json.loads(lines[0].removeprefix("stall: ")))
    scale = esp32_scale(folder)
    # The least of some renewals: other programs only add.
    python, tls, load = (
        min(stretch[kind] for stretch in found) * 1000 * scale
        for kind in ("python", "tls", "load")
    )
    return {
        "esp32_scale": round(scale, 1),
        "longest_stall_ms": round(python, 1),
        "tls_stall_ms": round(tls, 1),
        "load_stall_ms": round(load, 1),
    }


def esp32_scale(folder: Path) -> float:
    """Return how much longer an ESP32 takes than `unix32`; the larger of two measurements."""
    path = ":".join([str(folder / "unix32/portable"), str(p256_cost.SCRIPTS), ".frozen"])
    command = [str(interpreters.find("unix32")), "-c", "import bench_scale; bench_scale.main()"]
    settings = {**os.environ, "MICROPYPATH": path}
    here: dict[str, float] = {}
    for _ in range(_PROCESSES):
        done = subprocess.run(command, env=settings, capture_output=True, check=True, timeout=60)
        for kind, seconds in json.loads(done.stdout).items():
            here[kind] = min(seconds, here.get(kind, seconds))
    there = p256_cost.counted("cortex_m3", "portable", "bench_scale", folder)
    return max(_ms("cortex_m3", there[kind]) / 1000 / here[kind] for kind in here)


def _ms(name: str, minstr: float) -> float:
    """Return the milliseconds that a million instructions take."""
    cycles, hertz = _CHIPS[name]
    return minstr * 1e6 * cycles / hertz * 1000
