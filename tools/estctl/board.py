"""A board at a serial port: MicroPython's raw REPL, through mpremote as a library."""

import ast
import contextlib
import hashlib
import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import est_errors
import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from estctl import mpy

_ANSWER = 10  # seconds in which a board says the next octet
_WORK = 60  # seconds that one piece of code may take on it
_TRIES = 2  # a busy program may swallow the first Ctrl-C
_CHUNK = 1024  # octets that are sent at a time; a small heap has room for them
_PART = ".part"  # ends the name of a file that is not whole yet

_TOOLS = """\
import os, hashlib
from binascii import hexlify
def _sha256(path):
 try:
  with open(path, 'rb') as file:
   hasher = hashlib.sha256()
   buffer = memoryview(bytearray(512))
   while True:
    count = file.readinto(buffer)
    if not count: return hexlify(hasher.digest()).decode()
    hasher.update(buffer[:count])
 except OSError:
  return None
def _rename(old, new):
 try:
  os.rename(old, new)
 except OSError: # FAT does not rename over a file
  os.remove(new)
  os.rename(old, new)
"""


class Board:
    """A board whose program is stopped: soft-reset to a fresh heap, and boot.py has run.

    port: the serial port (str). A context manager. restart: whether main.py is started at its
    end. Raises ConfigError where the port cannot be opened, NetworkError where nobody answers.
    """

    def __init__(self, port: str, restart: bool = False) -> None:
        self._port = port
        self._restart = restart
        try:
            self._transport = SerialTransport(port, timeout=_ANSWER)
        except (TransportError, ValueError) as error:
            raise est_errors.ConfigError(
                f"--port {port} cannot be opened: no board is there, or another program "
                "(mpremote, a terminal, an editor) has it"
            ) from error
        try:
            self._stop_program()
            self.run(_TOOLS)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._restart:
            with contextlib.suppress(TransportError, OSError):
                self._transport.exit_raw_repl()
                self._transport.read_until(1, b">>> ", timeout=2)
                self._transport.serial.write(b"\x04")  # Ctrl-D: soft reset, which runs main.py
                self._transport.read_until(1, b"soft reboot\r\n", timeout=2)
        self._close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._transport.close()

    def _stop_program(self) -> None:
        for _ in range(_TRIES):
            try:
                with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it read
                    self._transport.enter_raw_repl()
                return
            except (TransportError, OSError):
                continue
        raise est_errors.NetworkError(
            f"no MicroPython answers at {self._port}: reset the board and try again", "port"
        )

    def run(self, code: str) -> Any:
        """Run code on the board; return what it printed, a Python literal, or None.

        An error of the library on the board is raised here as what it is; any other one as an
        EstError with the last line of its traceback.
        """
        with self._told():
            out, error = self._transport.exec_raw(code, timeout=_WORK)
            if error:
                raise _error(error.decode(errors="replace"))
            text = out.decode().strip()
            return ast.literal_eval(text) if text else None

    def march(self) -> str:
        """Return the processor for machine code in .mpy files, as mpy-cross calls it; "": none."""
        number = self.run("import sys; print(getattr(sys.implementation, '_mpy', 0) >> 10 & 15)")
        return mpy.MARCHES[number] if number < len(mpy.MARCHES) else ""

    def has_frozen(self, module: str) -> bool:
        """Tell whether a module is frozen into the firmware."""
        code = "import sys\nkept = sys.path[:]\nsys.path[:] = ['.frozen']\n"
        code += f"try:\n import {module}\n print(True)\nexcept ImportError:\n print(False)\n"
        return bool(self.run(code + "sys.path[:] = kept"))

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the files in a folder, and their octets; nothing where there is no folder."""
        with self._told():
            try:
                found = self._transport.fs_listdir(folder)
            except OSError:
                return {}
        return {entry.name: entry.st_size for entry in found if not entry.st_mode & 0x4000}

    def sha256(self, path: str) -> str | None:
        """Return the SHA-256 (hex) of a file, computed on the board, or None: there is none."""
        found = self.run(f"print(repr(_sha256({path!r})))")
        return None if found is None else str(found)

    def room(self) -> tuple[int, int]:
        """Return (octets in a block, octets that are free) of the file system at /."""
        block, free = self.run("s = os.statvfs('/'); print((s[1], s[1] * s[4]))")
        return block, free

    def make_folder(self, path: str) -> None:
        """Make a folder where there is none."""
        self.run(f"try:\n os.stat({path!r})\nexcept OSError:\n os.mkdir({path!r})")

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.run(f"os.remove({path!r})")

    def write(self, path: str, content: bytes, sent: Callable[[int], None]) -> None:
        """Write a file: the old one is replaced when the new one is whole and reads back right.

        sent: function of the octets (int) that went since it was called last. Raises StorageError.
        """
        part = path + _PART
        before = 0

        def tell(written: int, _: int) -> None:
            nonlocal before
            sent(written - before)
            before = written

        try:
            with self._told():
                self._transport.fs_writefile(part, content, _CHUNK, tell)
            if self.sha256(part) != hashlib.sha256(content).hexdigest():
                raise est_errors.StorageError(f"{path} was not stored: it reads back otherwise")
            self.run(f"_rename({part!r}, {path!r})")
        except est_errors.EstError:
            with contextlib.suppress(est_errors.EstError):
                self.run(f"f.close()\nos.remove({part!r})")  # f is fs_writefile's
            raise

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what mpremote and the serial port raise into the library's errors."""
        try:
            yield
        except TransportExecError as error:
            raise _error(error.error_output) from None
        except (TransportError, serial.SerialException, struct.error) as error:
            raise est_errors.NetworkError(
                f"the board at {self._port} does not answer any more: reset it and try again",
                "port",
            ) from error
        except OSError as error:  # of a file on the board, as mpremote read it from a traceback
            raise _storage_error(error.errno == 28, error.strerror or str(error)) from None


def _error(traceback: str) -> est_errors.EstError:
    """Return the error that a traceback of the board tells of."""
    line = (traceback.strip().splitlines() or ["the board says nothing"])[-1]
    name, _, text = line.partition(": ")
    if name == "OSError":
        return _storage_error("28" in text or "ENOSPC" in text, text)
    if name == "ImportError" and any(f"'{module}" in text for module in ("devid", "est_errors")):
        return est_errors.ConfigError(
            "the library is not on the board: estctl deploy puts it there"
        )
    kind = getattr(est_errors, name, None)
    if isinstance(kind, type) and issubclass(kind, est_errors.EstError):
        if kind is est_errors.ApprovalNeeded:
            kind = est_errors.TrustError
        error: est_errors.EstError = kind(text)
        return error
    return est_errors.EstError(f"the board says: {line}", "board")


def _storage_error(full: bool, text: str) -> est_errors.StorageError:
    reason = "the board's file system is full" if full else f"the board's file system says {text}"
    return est_errors.StorageError(reason, "board")
