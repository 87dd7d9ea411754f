"""A simulated board: a folder as its flash, and the interpreter that boots it.

The folder holds exactly what `mpremote` would copy to a board: boot.py, main.py, lib/*.mpy,
board_config.py and device.json. host_tests/shim gives the interpreter the hardware modules.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from est_errors import ConfigError

from estctl import interpreters, library
from estctl.mpy import CompileError, compile_file, is_machine_code, newest_source
from estctl.timeline import Timeline

INTERPRETERS = {
    "micropython": "unix",
    "micropython32": "unix32",
    "rp2like": "rp2like",
    "cpython": None,
}
_BOOT_DEADLINE = 900  # seconds; each step on the board has its own, shorter one
# What is in the last line of simulate.py; an application may print JSON of its own.
_REPORT = {"failure", "error", "step", "status", "live_heap", "flash_operations"}
# What MicroPython's collector says of each file that was open when the power was cut.
_LEFT_OPEN = "OSError: [Errno 5] EIO"
_LEAST_HEAP, _MOST_HEAP = 1 << 10, 1 << 30  # with less it does not start, with more it may crash
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20}


@dataclass
class Boot:
    """How a boot went: the board's own report, or what it printed instead of one.

    status: of the interpreter's process; below 0: the signal that ended it.
    """

    report: dict[str, Any] | None
    lines: list[str]
    seconds: float
    status: int


def prepare(flash: Path, board: str, compiled: bool, march: str = "") -> None:
    """Put library, firmware and the board's numbers into the flash folder; only what changed.

    march: the processor for modules of machine code, as mpy-cross calls it; "": leave them out.
    """
    config = library.board_config(board)
    wanted = set()
    for source in sorted(library.LIB.rglob("*.py")):
        if compiled and not march and is_machine_code(source):
            continue  # its work is done by a portable module, too
        target = flash / "lib" / source.relative_to(library.LIB)
        # Machine code always anew, too: the flash may have been another interpreter's.
        always = bool(march) and is_machine_code(source)
        wanted.add(_install(source, target, compiled, always, march))
    # Always anew: it may be another board's, and older than the file that it replaces.
    wanted.add(_install(config, flash / "lib" / "board_config.py", compiled, True))
    for old in (flash / "lib").rglob("*py"):
        if old.is_file() and old not in wanted:
            old.unlink()
    for source in library.FIRMWARE.glob("*.py"):
        if source.name != "manifest.py":
            _install(source, flash / source.name, False)


def write_settings(flash: Path, settings: dict[str, Any], files: dict[str, bytes]) -> None:
    """Write device.json and the files that it names."""
    flash.mkdir(0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        _write_private(flash / name, content)
    _write_private(flash / "device.json", json.dumps(settings, indent=2).encode())


def change_setting(flash: Path, name: str, value: Any) -> None:
    """Change one setting of device.json. Raises ConfigError where it cannot be read."""
    try:
        settings = json.loads((flash / "device.json").read_bytes())
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        raise ConfigError(f"{flash / 'device.json'} is no JSON object")
    write_settings(flash, {**settings, name: value}, {})


def boot(
    flash: Path,
    interpreter: str,
    heap: str | None,
    meter: bool,
    echo: Callable[[str], None],
    approve: str | None = None,
    power_cut: tuple[int, str] | None = None,
    timeline: Timeline | None = None,
    speed: float = 1,
    on_sleep: Callable[[float], None] | None = None,
) -> Boot:
    """Boot the board once and return how it went; its console lines go to `echo`.

    flash: the folder or the image. approve: a fingerprint that a person approves at the board's
    REPL first. power_cut: at which flash operation of an image, and how ("before", "torn" or
    "after"). timeline: the board's time; then its waits take 1/speed of theirs, and on_sleep, if
    given, lets the time pass: it may stop the world's servers in between, or raise to end the
    board.
    """
    environment: dict[str, str] = {}
    if interpreter == "cpython" and timeline:
        raise ConfigError("simulated time needs one of the MicroPython interpreters")
    command = _command(interpreter, heap)
    shims = [library.SHIM / "board", library.SHIM / "cpython"]
    if interpreter == "cpython":
        command.append(str(library.SHIM / "simulate.py"))
    else:
        shims = [_hardware()]
        environment["MICROPYPATH"] = f"{shims[0]}:.frozen"
        command += ["-m", "simulate"]
    command.append(str(flash.resolve()))
    if flash.is_file():
        if interpreter == "cpython":
            raise ConfigError("CPython has no littlefs: give --flash a folder, not an image")
        command.append("--image")
        if power_cut:
            command.append(f"--power-cut={power_cut[0]},{power_cut[1]}")
    elif power_cut:
        raise ConfigError("the power can be cut only where --flash is an image (a name.img)")
    if timeline:
        if not interpreters.can_fake_time(INTERPRETERS[interpreter] or ""):
            raise ConfigError("simulated time needs the interpreters that `make setup` fetches")
        environment["EST_FAKETIME_FILE"] = str(timeline.board)
        command.append(f"--clock={timeline.folder},{speed:f}")
    command += [str(shim) for shim in shims] + (["--meter"] if meter else [])
    command += [f"--approve={approve}"] if approve else []
    lines: list[str] = []
    report, ended = None, 0
    started = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",  # an application may print any octets
        cwd=shims[0],  # MicroPython imports from there: no module of the user's own folder
        umask=0o077,  # what the board stores holds keys
        env={**os.environ, **environment},
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        if not timeline:
            process.stdin.close()
        try:
            for line in process.stdout:
                line = line.rstrip("\n")
                said = _message(line)
                if said.keys() >= _REPORT:
                    report = said
                    if report["failure"] == "PowerCut":
                        break  # what a board without power has to say
                    continue
                seconds = said.get("sleep")
                if timeline and isinstance(seconds, float):
                    (on_sleep or timeline.advance)(seconds * (1 - 1 / speed))
                    process.stdin.write("\n")
                    process.stdin.flush()
                    continue
                if power_cut and line == _LEFT_OPEN:
                    continue
                lines.append(line)
                echo(line)
            ended = process.wait(_BOOT_DEADLINE)
        finally:
            process.kill()
    return Boot(report, lines, time.monotonic() - started, ended)


def _message(line: str) -> dict[str, Any]:
    """Return the JSON object that a line of the board is, or {}: it is text of its own."""
    try:
        return dict(json.loads(line)) if line.startswith('{"') else {}
    except (ValueError, RecursionError):
        return {}


def _command(interpreter: str, heap: str | None) -> list[str]:
    """Return the start of the command line for an interpreter."""
    name = INTERPRETERS[interpreter]
    if name is None:
        if heap:
            raise ConfigError("--heap: CPython's heap cannot be limited")
        return [sys.executable]
    program = interpreters.find(name)
    if program is None:
        raise ConfigError(interpreters.why_missing(name))
    size = re.fullmatch(r"([0-9]{1,10})([kKmM]?)", heap) if heap else None
    if heap and not size:
        raise ConfigError(f"--heap {heap}: give bytes, or a number with k or m, such as 96k")
    if size and not _LEAST_HEAP <= int(size[1]) * _FACTORS[size[2].lower()] <= _MOST_HEAP:
        raise ConfigError(f"--heap {heap}: give 1k to 1024m")
    return [str(program)] + (["-X", f"heapsize={heap}"] if heap else [])


def _hardware() -> Path:
    """Return the folder of what stands for the board's hardware, compiled: boards have it in their
    firmware, where it takes no heap for its source."""
    folder = library.ROOT / "build" / "shim"
    for source in (library.SHIM / "simulate.py", *(library.SHIM / "board").glob("*.py")):
        _install(source, folder / source.name, True)
    return folder


def _install(
    source: Path, target: Path, compiled: bool, always: bool = False, march: str = ""
) -> Path:
    """Copy a source file, or compile it with mpy-cross, unless the target is newer."""
    target = target.with_suffix(".mpy") if compiled else target
    changed = max(newest_source() if compiled else 0, source.stat().st_mtime)
    if not always and target.exists() and target.stat().st_mtime >= changed:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    if not compiled:
        target.write_bytes(source.read_bytes())
        return target
    try:
        base = library.LIB if library.LIB in source.parents else source.parent
        # Other processes and threads may use the folder, or fill it, now.
        new = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        compile_file(source, new, source.relative_to(base).as_posix(), march)
        new.replace(target)
    except CompileError as error:
        raise ConfigError(str(error)) from None
    return target


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that may hold a password or a key, readable by its owner only."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
