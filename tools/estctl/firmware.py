"""The command `firmware`: MicroPython for a board, with the library frozen in.

It runs, or shows, MicroPython's own build with the board's manifest; nothing of MicroPython is
changed or kept here.
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import est_errors
import typer

from estctl import interpreters, library, options, output

_SOURCE = "https://github.com/micropython/micropython.git"
_RELEASE = "v1.25.0"  # the one that the tests freeze the library into
_ARM = "Debian: gcc-arm-none-eabi, libnewlib-arm-none-eabi, libstdc++-arm-none-eabi-newlib"
_BASE = {"make": "Debian: make", "gcc": "Debian: build-essential"}  # gcc builds mpy-cross


@dataclass(frozen=True)
class Port:
    """A port of MicroPython: programs that its build needs and who has them, and what it gives."""

    programs: dict[str, str]
    makes: str
    next_step: str
    has_boards: bool = True


_PORTS = {
    "rp2": Port(
        {**_BASE, "cmake": "Debian: cmake", "arm-none-eabi-gcc": _ARM},
        "firmware.uf2",
        "hold BOOTSEL while you plug the board in, and copy the file onto its drive",
    ),
    "esp32": Port(
        {**_BASE, "cmake": "Debian: cmake", "idf.py": "Espressif's ESP-IDF: source its export.sh"},
        "firmware.bin",
        "with `PORT=/dev/ttyUSB0 deploy` the last of these commands puts it onto the board",
    ),
    "unix": Port(
        {**_BASE, "pkg-config": "Debian: pkg-config, libffi-dev"}, "micropython", "", False
    ),
}


def firmware(
    board: Annotated[str, typer.Option("--board", help="A folder of boards/.")],
    micropython: Annotated[
        Path | None,
        typer.Option(
            "--micropython",
            help="A checkout of MicroPython to build in; without it the commands are shown.",
        ),
    ] = None,
    show: Annotated[
        bool, typer.Option("--show", help="Show the commands and what they need, no more.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Build a board's firmware with the library frozen in, or show how that is done."""
    try:
        name = port_of(board)
        if micropython is not None:
            micropython = micropython.expanduser().absolute()
            _check_checkout(micropython, name, board)
        commands = _commands(name, board, micropython)
        if not as_json:
            print(f"# {board} with the library frozen in:")
            print("\n".join(shlex.join(command) for command in commands), flush=True)
        missing = [f"{it} ({who})" for it, who in _PORTS[name].programs.items() if not _has(it)]
        if show:
            lines = [shlex.join(command) for command in commands]
            shown = {"commands": lines, "missing": missing}
            if as_json:
                output.report(shown, as_json, "")
            elif missing:
                print(f"# they need what this computer lacks: {'; '.join(missing)}")
            return
        if missing:
            raise est_errors.ConfigError(
                f"nothing was built: this computer lacks {'; '.join(missing)}"
            )
        if micropython is None:
            raise est_errors.ConfigError(
                "nothing was built: name a checkout of MicroPython with --micropython, or "
                "MICROPYTHON_DIR= of make firmware"
            )
        values = _build(name, board, micropython, commands, as_json)
    except est_errors.EstError as error:
        output.fail(error, as_json)
    output.report(values, as_json, f"Firmware for {board}")


def port_of(board: str) -> str:
    """Return the port that a board's manifest says it is for. Raises ConfigError."""
    manifest = library.BOARDS / board / "manifest.py"
    if "/" in board or not manifest.is_file():
        known = sorted(path.parent.name for path in library.BOARDS.glob("*/manifest.py"))
        raise est_errors.ConfigError(f"--board {board} is unknown; known are {', '.join(known)}")
    found = re.search(r"ports/(\w+)", manifest.read_text(encoding="utf-8"))
    if not found or found[1] not in _PORTS:
        raise est_errors.ConfigError(
            f"{manifest} does not say for which of MicroPython's ports it is: "
            + ", ".join(f"ports/{name}" for name in _PORTS)
        )
    return found[1]


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def _check_checkout(folder: Path, port: str, board: str) -> None:
    """Raise ConfigError where a folder is no MicroPython that can be built for the board."""
    try:
        text = (folder / "py/mpconfig.h").read_text(encoding="utf-8")
        major, minor = (
            int(re.search(rf"#define MICROPY_VERSION_{part} (\d+)", text)[1])  # type: ignore[index]
            for part in ("MAJOR", "MINOR")
        )
    except (OSError, TypeError):
        raise est_errors.ConfigError(
            f"{folder} is no source of MicroPython: git clone {_SOURCE}"
        ) from None
    if (major, minor) < interpreters.OLDEST:
        oldest = interpreters.dotted(interpreters.OLDEST)
        raise est_errors.ConfigError(
            f"{folder} is MicroPython {major}.{minor}; it takes {oldest} or newer"
        )
    place = f"ports/{port}/boards/{board}" if _PORTS[port].has_boards else f"ports/{port}"
    if not (folder / place).is_dir():
        raise est_errors.ConfigError(f"{folder} has no {place}: another MicroPython is needed")


def _commands(port: str, board: str, checkout: Path | None) -> list[list[str]]:
    """Return the commands, in their order, as MicroPython's own README of the port has them."""
    found = []
    if checkout is None:
        checkout = Path("micropython")
        found.append(["git", "clone", "--branch", _RELEASE, _SOURCE, str(checkout)])
        cloned = True
    else:
        cloned = (checkout / ".git").exists()  # a release's archive has the submodules
    # A folder of its own: where one exists, rp2's build does not look at FROZEN_MANIFEST again.
    make = ["make", "-C", str(checkout / "ports" / port), f"BUILD={_build_folder(board)}"]
    make += [f"BOARD={board}"] if _PORTS[port].has_boards else [_machine_code()]
    found.append(["make", "-C", str(checkout / "mpy-cross")])
    if cloned:
        found.append([*make, "submodules"])
    found.append([*make, f"FROZEN_MANIFEST={library.BOARDS / board / 'manifest.py'}"])
    return found


def _machine_code() -> str:
    """Return what tells the unix port's build the processor, which a board's build knows.

    Raises ConfigError where MicroPython has no machine code for it, which the library has.
    """
    march = {"x86_64": "x64", "i686": "x86"}.get(platform.machine())
    if march is None:
        raise est_errors.ConfigError(
            f"MicroPython has no machine code for this computer's processor, {platform.machine()}"
        )
    return f"MPY_CROSS_FLAGS=-march={march}"


def _build_folder(board: str) -> str:
    return f"build-{board}-est"


def _build(
    port: str, board: str, checkout: Path, commands: list[list[str]], as_json: bool
) -> dict[str, Any]:
    """Run the commands; return what to report. Raises EstError where one fails."""
    # What `make firmware` was called with is not for MicroPython's makefiles.
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS")}
    for command in commands:
        done = subprocess.run(
            command, env=environment, stdout=sys.stderr if as_json else None, check=False
        )
        if done.returncode:
            raise est_errors.EstError(f"this failed: {shlex.join(command)}", "firmware")
    made = checkout / "ports" / port / _build_folder(board) / _PORTS[port].makes
    if not made.is_file():
        raise est_errors.EstError(f"MicroPython's build left no {made}", "firmware")
    values = {"firmware": str(made), "bytes": made.stat().st_size}
    if _PORTS[port].next_step and not as_json:
        values["next"] = _PORTS[port].next_step
    return values
