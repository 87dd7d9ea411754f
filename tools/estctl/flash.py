"""The flash of a simulated board: a folder of the host, or a file that holds a littlefs.

MicroPython itself reads and writes the image, with the littlefs that boards have.
"""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from est_errors import ConfigError, StorageError

from estctl import interpreters, library

BLOCK_KIB = 4
DEFAULT_KIB = 2048
_DEADLINE = 120  # seconds for copying a board's files


@dataclass
class Flash:
    """A board's flash: `folder` holds its files; with an `image`, the ones beside the library."""

    folder: Path
    image: Path | None = None
    kib: int = DEFAULT_KIB

    @property
    def what_boots(self) -> Path:
        """The folder or the image that is the board's file system."""
        return (self.image or self.folder).resolve()

    def put(self, folder: Path | None = None) -> None:
        """Copy a folder into the image: by default the board's own. A folder needs nothing."""
        if self.image:
            self._run("put", folder or self.folder)

    def get(self) -> None:
        """Copy the image's files, but for library and firmware, into the folder."""
        if self.image and self.image.exists():
            self._run("get", self.folder)
            for source in library.FIRMWARE.glob("*.py"):
                (self.folder / source.name).unlink(missing_ok=True)

    def _run(self, command: str, folder: Path) -> None:
        assert self.image
        name = "unix" if interpreters.find("unix") else "unix32"
        program = interpreters.find(name)
        if program is None:
            raise ConfigError(interpreters.why_missing(name))
        shim = library.SHIM
        blocks = str(self.kib // BLOCK_KIB)
        parts = [program, "-X", "heapsize=4m", shim / "flash_image.py", shim / "board"]
        parts += [self.image.resolve(), blocks, command, folder.resolve()]
        done = subprocess.run(
            [str(part) for part in parts],
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
            umask=0o077,  # keys are in the image, and in the folder
        )
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines() or ["it does not say why"]
            raise StorageError(f"the image {self.image} cannot be used: {last[-1]}", "flash")


def is_image(path: Path, kib: int | None) -> bool:
    """Tell whether --flash means an image: a file, a name that ends so, or a size is given."""
    return not path.is_dir() and (path.is_file() or path.suffix == ".img" or kib is not None)


@contextlib.contextmanager
def opened(path: Path, kib: int | None = None) -> Iterator[Flash]:
    """Give the Flash at a path. kib: size of a new image, in KiB.

    Raises ConfigError where what is there has another size, or is a folder.
    """
    if kib is not None and path.exists():
        _check_size(path, kib)
    if not is_image(path, kib):
        yield Flash(path)
        return
    with tempfile.TemporaryDirectory(prefix="estctl-flash-") as name:
        flash = Flash(Path(name), path, kib or DEFAULT_KIB)
        flash.get()
        unique = flash.folder / "unique_id"
        if not unique.exists():  # the chip has it from its maker: it costs no flash operation
            unique.write_bytes(os.urandom(8))
        yield flash


def _check_size(path: Path, kib: int) -> None:
    if path.is_dir():
        raise ConfigError(f"--flash-size is of an image, and {path} is a folder")
    found = path.stat().st_size // 1024
    if found // BLOCK_KIB != kib // BLOCK_KIB:
        raise ConfigError(f"the image {path} has {found} KiB: leave --flash-size out")


def library_folder(board: str, march: str) -> Path:
    """Return where the library of a board is kept ready for images; march: "" for sources."""
    return library.ROOT / "build" / "flash" / f"{board}-{march or 'py'}"
