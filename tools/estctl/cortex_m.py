"""A Cortex-M chip that runs MicroPython: QEMU, with the chip's serial port on a pty.

setup.cortex_m builds what is started here. `cortex_m3` has a littlefs disk of RAM that outlives a
soft reset, as flash does; both may have a ROM file system, mounted at /rom. The machine polls its
serial port: it takes a whole core of the computer until it is stopped.
"""

import contextlib
import ctypes
import os
import re
import select
import signal
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from estctl import interpreters

FOLDER = interpreters.FOLDER / "cortex_m"
_FROZEN = interpreters.FOLDER / "cortex_m_frozen/program"
# With counted=True, how many instructions one tick of time.ticks_cpu() stands for.
INSTRUCTIONS_PER_TICK = {"cortex_m3": 5.0, "cortex_m0": 7.8125}
_START_DEADLINE = 20  # seconds until QEMU says where its serial port is
_MICROBIT = "nrf51-soc.flash-size=1048576", "nrf51-soc.sram-size=262144"
# name: (machine of QEMU, address of its parameters, address of its ROM file system)
_MACHINES = {
    "cortex_m3": ("mps2-an385", 0x20000000, 0x20100000),
    "cortex_m0": ("microbit", 0xFF000, 0x80000),
}


class Machine:
    """One running machine; `port` is the path of its serial port. A context manager.

    name: "cortex_m3" or "cortex_m0". heap: bytes of Python's heap. disk: bytes of the littlefs
    disk, a multiple of 4096, 0 for none (`cortex_m0` has none). rom: the image of a ROM file
    system (mpremote.romfs). counted: time is the count of instructions, 8 ns each, so that what
    is measured with time.ticks_cpu() repeats exactly. frozen: a `cortex_m3` with the library in
    its firmware.
    """

    def __init__(
        self,
        name: str,
        heap: int = 131072,
        disk: int = 0,
        rom: bytes = b"",
        counted: bool = False,
        frozen: bool = False,
    ) -> None:
        machine, parameters, rom_address = _MACHINES[name]
        self._files = tempfile.TemporaryDirectory(prefix="cortex_m-")
        words = struct.pack("<4I", heap, disk, rom_address if rom else 0, len(rom))
        command = [str(FOLDER / "qemu-system-arm"), "-machine", machine, "-display", "none"]
        command += ["-monitor", "null", "-semihosting", "-serial", "pty"]
        command += ["-kernel", str(_FROZEN if frozen else FOLDER / f"{name}.elf")]
        if name == "cortex_m0":
            command += [part for setting in _MICROBIT for part in ("-global", setting)]
        for number, (address, content) in enumerate(((parameters, words), (rom_address, rom))):
            if content:
                file = Path(self._files.name) / str(number)
                file.write_bytes(content)
                loader = f"loader,file={file},addr={address:#x},force-raw=on"
                command += ["-device", loader]
        if counted:
            command += ["-icount", "shift=3,sleep=off"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,
        )
        try:
            self.port = self._find_port()
        except BaseException:
            self.stop()
            raise

    def _find_port(self) -> str:
        """Return the pty that QEMU names in its first line. Raises RuntimeError."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_DEADLINE)
        line = self._process.stdout.readline().decode(errors="replace") if ready else "no output"
        found = re.search(r"/dev/\S+", line)
        if not found:
            raise RuntimeError(f"qemu-system-arm does not start: {line.strip()}")
        return found[0]

    def stop(self) -> None:
        """End the machine; what is on its disk is gone."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()
        self._files.cleanup()

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _end_with_parent() -> None:
    """Ask Linux to end this process when the one that started it ends, however it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
        if os.getppid() == 1:
            os._exit(1)
