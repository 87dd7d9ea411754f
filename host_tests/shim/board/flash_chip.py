"""A simulated board's flash chip, for a real littlefs: in a file or in memory, with power cuts.

A block device as MicroPython's `vfs` wants it (the extended interface), with blocks of 4 KiB that
are erased to 0xFF and then programmed, which only clears bits, as NOR flash does. Each prog and
each erase is one operation. The power can be cut at one of them: that raises PowerCut, which ends
the program, as no board goes on without power. From there on nothing reaches the chip, and what
touches it raises PowerCut, too. And from an operation on the chip can refuse all of them, as where
there is no room any more.
"""

from errno import EIO

BLOCK = 4096
PROG = 32  # octets: the least that littlefs reads and programs; what VfsLfs2 takes on ESP32
MODES = ("before", "torn", "after")  # not done, done by half, done; and then the power is gone

_EMPTY = b"\xff" * 64  # written piece by piece: a real chip takes no heap to erase a block

_BLOCK_COUNT, _BLOCK_SIZE, _ERASE = 4, 5, 6  # what littlefs asks of ioctl()


class PowerCut(BaseException):
    """The power failed. No `except Exception` of the board's code may catch it."""


class Chip:
    """Counts the operations and cuts the power; below it a store of octets, see _read().

    Attributes: operations (int, so far), off (str, "" while there is power, else what was cut).
    """

    def __init__(self, blocks):
        self._blocks = blocks
        self._at = self._mode = None
        self._refused_from, self._errno = None, 0
        self.operations = 0
        self.off = ""

    def cut(self, at, mode):
        """Cut the power at operation `at`, counted from 1 and from now on; mode: see MODES."""
        if mode not in MODES:
            raise ValueError("%s is none of %s" % (mode, ", ".join(MODES)))
        self.operations, self._at, self._mode = 0, at, mode

    def refuse(self, at, errno):
        """Refuse all operations from `at` on, as in cut(), with an error (ENOSPC, EIO)."""
        self.operations, self._refused_from, self._errno = 0, at, errno

    def readblocks(self, number, buf, offset=0):
        """Read into buf, from an offset in a block."""
        if self.off:
            return self._dead()
        return self._read(number, offset, buf)

    def writeblocks(self, number, buf, offset=0):
        """Program buf at an offset in a block that is erased there."""
        if self.off:
            return self._dead()
        if self._refuses():
            return -self._errno
        if self._next("prog", number):
            buf = memoryview(buf)[: len(buf) // 2]
        self._program(number, offset, buf)
        return self._done()

    def ioctl(self, operation, argument):
        """Answer what littlefs asks, or erase a block."""
        if operation == _BLOCK_COUNT:
            return self._blocks
        if operation == _BLOCK_SIZE:
            return BLOCK
        if operation == _ERASE:
            if self.off:
                return self._dead()
            if self._refuses():
                return -self._errno
            half = self._next("erase", argument)
            self._fill(argument, BLOCK // 2 if half else BLOCK)
            self._done()
        return 0

    def _refuses(self):
        if self._refused_from is None or self.operations + 1 < self._refused_from:
            return False
        self.operations += 1
        return True

    def _next(self, what, number):
        """Count an operation; return whether only its first half is to be done."""
        self.operations += 1
        if self.operations != self._at:
            return False
        self.off = "%s of block %d, %s" % (what, number, self._mode)
        if self._mode == "before":
            raise PowerCut(self.off)
        return self._mode == "torn"

    def _dead(self):
        # The collector closes files that were left open: there an exception would only be printed.
        try:
            cut = PowerCut(self.off)
        except MemoryError:  # the collector is at work
            return -EIO
        raise cut

    def _done(self):
        if self.off:
            raise PowerCut(self.off)
        return 0

    def _erase(self, number, size):
        for offset in range(0, size, len(_EMPTY)):
            self._write(number, offset, _EMPTY)

    def _program(self, number, offset, buf):
        old = bytearray(len(buf))
        self._read(number, offset, old)
        if old != b"\xff" * len(old):  # not erased, as after a torn operation: bits only clear
            buf = bytes([a & b for a, b in zip(old, buf)])  # noqa: B905
        self._write(number, offset, buf)


class Memory(Chip):
    """A chip in memory. Only blocks that are not empty take any.

    content: what the property `content` of another one gave, or None: a new chip.
    """

    def __init__(self, blocks, content=None):
        super().__init__(blocks)
        self._content = dict(content or {})

    @property
    def content(self):
        """What the chip holds: a dict of blocks, to be left as it is."""
        return {number: bytes(block) for number, block in self._content.items()}

    def _read(self, number, offset, buf):
        block = self._content.get(number)
        buf[:] = block[offset : offset + len(buf)] if block else b"\xff" * len(buf)
        return 0

    def _write(self, number, offset, buf):
        block = self._content.get(number)
        if not isinstance(block, bytearray):  # it may be another chip's, too
            block = self._content[number] = bytearray(block or b"\xff" * BLOCK)
        block[offset : offset + len(buf)] = buf

    def _fill(self, number, size):
        if size == BLOCK:
            self._content.pop(number, None)
        else:
            self._erase(number, size)


class File(Chip):
    """A chip in a file of the host, which is made where it is missing.

    blocks: of a new file (int). Attribute: new (bool), whether it was made.
    """

    def __init__(self, path, blocks=512):
        try:
            self._file = open(path, "r+b")  # noqa: SIM115
            self.new = False
        except OSError:
            self._file = open(path, "w+b")  # noqa: SIM115
            self.new = True
            for _ in range(blocks):
                self._file.write(b"\xff" * BLOCK)
        super().__init__(self._file.seek(0, 2) // BLOCK)

    def _read(self, number, offset, buf):
        self._file.seek(number * BLOCK + offset)
        self._file.readinto(buf)
        return 0

    def _write(self, number, offset, buf):
        self._file.seek(number * BLOCK + offset)
        self._file.write(buf)

    def _fill(self, number, size):
        self._erase(number, size)


def mounted(chip, where, prog=PROG, new=False):
    """Mount the littlefs on a chip at a path; new: make it first. Only MicroPython has `vfs`."""
    import vfs

    sizes = {"readsize": prog, "progsize": prog}
    if new:
        vfs.VfsLfs2.mkfs(chip, **sizes)
    system = vfs.VfsLfs2(chip, **sizes)
    if where == "/":
        vfs.umount("/")  # the host's
    vfs.mount(system, where)
