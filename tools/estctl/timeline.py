"""Simulated time: what the world's clock says, and what the board's does.

Each is a file with an offset to real time in seconds, which libfaketime reads at every look at
the clock. So time goes on by itself, jumps when it is told to, and several processes, mbedTLS and
OpenSSL included, live in the same one. The monotonic clock stays real, and with it the deadlines.
"""

import os
import time
from pathlib import Path

from est_errors import ConfigError

_FARTHEST = 200 * 366 * 86400  # seconds from real time; far beyond, interpreters crash


class Timeline:
    """The two clocks, in a folder. Attributes: world and board (Path), the files."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, or make it. Raises ConfigError where it cannot be one."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.folder = folder.resolve()
            self.world, self.board = self.folder / "world", self.folder / "board"
            for file in (self.world, self.board):
                if not file.exists():
                    _write(file, 0)
                _read(file)
        except OSError as error:
            raise ConfigError(
                f"--clock {folder} cannot be used as a folder: {error.strerror}"
            ) from None

    def now(self) -> float:
        """Return the world's time, in Unix seconds."""
        return time.time() + _read(self.world)

    def board_now(self) -> float:
        """Return what the board's clock says, in Unix seconds."""
        return time.time() + _read(self.board)

    def advance(self, seconds: float) -> None:
        """Let both clocks jump forwards. Raises ConfigError where that is too far."""
        for file in (self.world, self.board):
            _write(file, _read(file) + seconds)

    def set(self, seconds: float) -> None:
        """Set the world's clock, and the board's with it, to Unix seconds."""
        self.advance(seconds - self.now())

    def set_board(self, seconds: float) -> None:
        """Set the board's clock alone, as a flat battery does."""
        _write(self.board, seconds - time.time())


def _read(file: Path) -> float:
    try:
        return _checked(float(file.read_text()), file)
    except ValueError:
        raise ConfigError(f"{file} holds no offset in seconds: remove it to begin anew") from None


def _write(file: Path, offset: float) -> None:
    new = file.with_suffix(f".{os.getpid()}")
    new.write_text(f"{_checked(offset, file):+f}\n")
    new.replace(file)  # who looks at the clock meanwhile reads one or the other


def _checked(offset: float, file: Path) -> float:
    """Return an offset. Raises ConfigError where it is too far off, or no number (NaN)."""
    if not abs(offset) <= _FARTHEST:
        raise ConfigError(f"{file}: the simulated time may be 200 years from the real one")
    return offset
