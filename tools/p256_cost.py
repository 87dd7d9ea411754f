"""What P-256 costs in an interpreter, with one of its two engines, and SHA-512.

It is measured by host_tests/bench_p256.py, bench_heap.py and bench_sha512.py, which run there.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from estctl import interpreters, library
from estctl.cortex_m import INSTRUCTIONS_PER_TICK, Machine
from estctl.mpy import UNIX_MARCH, compile_file, is_machine_code
from mpremote.romfs import VfsRomWriter
from mpremote.transport_serial import SerialTransport

# The engines, and what is added to the names of their figures.
ENGINES = {"viper": "", "portable": "_portable"}
SCRIPTS = library.ROOT / "host_tests"
CHIP_MARCH = {"cortex_m3": "armv7m", "cortex_m0": "armv6m"}
_HEAP = {"cortex_m3": 1 << 20, "cortex_m0": 229376}  # the baselines make a megabyte of garbage
_DEADLINE = 600  # seconds for all operations in one interpreter
_DISK = 1 << 20  # bytes
_PROCESSES = 5  # of the unix port, of which the fastest counts
_TIMES = ("jacobian", "affine", "keygen", "sign", "verify")
# What a disk needs for bench_heap: to copy all would take a minute.
_NEEDED = ["bench_heap.mpy", "os.py", "est_errors.mpy", "heap.mpy"]
_NEEDED += [
    f"pki/{name}.mpy"
    for name in ("__init__", "ec", "entropy", "p256", "p256_field", "p256_trial", "p256_viper")
]
# QEMU's machines have no random numbers. This stands in for os.urandom, costs next to nothing, and
# makes each run the same.
_URANDOM = """\
from uos import *
def urandom(count):
    return b"0123456789abcdef0123456789abcdef"[:count]
"""


def unix(interpreter: str, engine: str, folder: Path) -> dict[str, Any]:
    """Return what bench_p256 prints in `unix` or `unix32`; times in microseconds.

    folder: where the library may be compiled. Raises CompileError.
    """
    program = interpreters.find(interpreter)
    assert program is not None
    compiled = compile_library(folder / interpreter / engine, UNIX_MARCH[interpreter], engine)
    path = ":".join([str(compiled), str(SCRIPTS), ".frozen"])
    start = [str(program), "-X", "heapsize=1m"]
    # Where the memory of a process lies makes all of its run slower or faster, by up to a half.
    runs = [_run(start, {"MICROPYPATH": path}, engine) for _ in range(_PROCESSES)]
    return {key: min(took[key] for took in runs) for key in runs[0]}


def sha512(name: str, folder: Path) -> float | None:
    """Return how many times faster SHA-512 is in viper than on big integers, or None.

    name: "unix", "unix32" or a chip; folder: where unix() or chip() has compiled the library.
    """
    compiled = folder / name / "viper"
    if name in CHIP_MARCH:
        _add_script("bench_sha512", compiled)
        with Machine(name, heap=_HEAP[name], rom=_rom(compiled), counted=True) as machine:
            output = _on_chip(machine, "import bench_sha512; bench_sha512.main('ticks_cpu')")
    else:
        path = ":".join([str(compiled), str(SCRIPTS), ".frozen"])
        output = subprocess.run(
            [str(interpreters.find(name)), "-c", "import bench_sha512 as b; b.main('ticks_us')"],
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=True,
            env={**os.environ, "MICROPYPATH": path},
        ).stdout
    took = json.loads(output)
    return took["portable"] / took["viper"] if "viper" in took else None


def cpython() -> dict[str, Any]:
    """Return what bench_p256 prints in CPython; times in microseconds."""
    path = [str(folder) for folder in (library.LIB, library.SHIM / "cpython", SCRIPTS)]
    return _run([sys.executable], {"PYTHONPATH": ":".join(path)}, "portable")


def chip(name: str, engine: str, affine: bool, folder: Path) -> dict[str, Any]:
    """Return what bench_p256 prints on a Cortex-M machine; times in million instructions.

    name: "cortex_m3" or "cortex_m0", which setup.cortex_m has built; affine: with the textbook
    baseline, a few thousand million instructions; folder: where the library may be compiled.
    """
    code = f"import bench_p256; bench_p256.main('ticks_cpu', 1, {affine})"
    took = _checked(on_chip(name, engine, code, folder), engine)
    per_tick = INSTRUCTIONS_PER_TICK[name] / 1e6
    return {key: value * per_tick if key in _TIMES else value for key, value in took.items()}


def on_chip(name: str, engine: str, code: str, folder: Path) -> str:
    """Run code beside the library on a Cortex-M machine; return what it printed.

    The library is in a ROM file system; os.urandom always gives the same octets. Otherwise as
    chip(). Raises RuntimeError with the chip's traceback.
    """
    compiled = compile_library(folder / name / engine, CHIP_MARCH[name], engine)
    _add_script("bench_p256", compiled)
    with Machine(name, heap=_HEAP[name], rom=_rom(compiled), counted=True) as machine:
        return _on_chip(machine, code)


def counted(name: str, engine: str, script: str, folder: Path) -> dict[str, float]:
    """Return what the main() of a script prints on a chip: ticks, as million instructions.

    folder: where chip() has compiled the library for this engine.
    """
    compiled = folder / name / engine
    _add_script(script, compiled)
    with Machine(name, heap=_HEAP[name], rom=_rom(compiled), counted=True) as machine:
        took = json.loads(_on_chip(machine, f"import {script}; {script}.main()"))
    return {key: value * INSTRUCTIONS_PER_TICK[name] / 1e6 for key, value in took.items()}


def heap(folder: Path) -> int:
    """Return the bytes of heap that P-256 takes on a Cortex-M3, from .mpy files on its disk."""
    name = "cortex_m3"
    compiled = compile_library(folder / name / "heap", CHIP_MARCH[name], "viper")
    _add_script("bench_heap", compiled)
    with Machine(name, disk=_DISK) as machine:
        return int(_on_chip(machine, "import bench_heap; bench_heap.main()", compiled))


def _add_script(name: str, compiled: Path) -> None:
    """Add a script for a chip, and what it needs there, to a compiled library."""
    compile_file(SCRIPTS / f"{name}.py", compiled / f"{name}.mpy", f"{name}.py")
    (compiled / "os.py").write_text(_URANDOM)


def _on_chip(machine: Machine, code: str, files: Path | None = None) -> str:
    """Run code on a machine; return what it printed. files: whence P-256 goes onto its disk."""
    transport = SerialTransport(machine.port, timeout=30)
    try:
        transport.enter_raw_repl()
        if files:
            transport.fs_mkdir("/lib")
            transport.fs_mkdir("/lib/pki")
            for name in _NEEDED:
                octets = (files / name).read_bytes()
                transport.fs_writefile(f"/lib/{name}", octets, chunk_size=1024)
            transport.enter_raw_repl()  # a soft reset: copying has left its traces in the heap
        output, error = transport.exec_raw(code, timeout=_DEADLINE)
    finally:
        transport.close()
    if error:
        raise RuntimeError(f"{machine.port}: {error.decode()}")
    return str(output.decode())


def _run(start: list[str], environment: dict[str, str], engine: str) -> dict[str, Any]:
    done = subprocess.run(
        [*start, "-c", "import bench_p256; bench_p256.main('ticks_us', 12)"],
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=True,
        env={**os.environ, **environment},
    )
    return _checked(done.stdout, engine)


def _checked(output: str, engine: str) -> dict[str, Any]:
    """Return what was printed, if it is of the engine that was asked for."""
    took: dict[str, Any] = json.loads(output)
    if took["engine"] != engine:
        raise RuntimeError(f"the {took['engine']} engine ran where the {engine} one should have")
    return took


def compile_library(target: Path, march: str, engine: str) -> Path:
    """Compile lib/ into target, for the portable engine without machine code; return target.

    What serves all interpreters is compiled once, into `portable` beside target's parent.
    """
    shared = target.parent.parent / "portable"
    sources = {
        path.relative_to(library.LIB).as_posix(): path for path in library.LIB.rglob("*.py")
    }
    fast = {name for name, source in sources.items() if is_machine_code(source)}
    if not shared.is_dir():
        for name in sources.keys() - fast:
            compile_file(sources[name], (shared / name).with_suffix(".mpy"), name)
    shutil.copytree(shared, target)
    for name in fast if engine == "viper" else ():
        compile_file(sources[name], (target / name).with_suffix(".mpy"), name, march)
    return target


def _rom(folder: Path) -> bytes:
    """Return the image of a ROM file system with the files of a folder."""
    writer = VfsRomWriter()

    def add(folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                writer.opendir(path.name)
                add(path)
                writer.closedir()
            else:
                writer.mkfile(path.name, path.read_bytes())

    add(folder)
    return bytes(writer.finalise())
