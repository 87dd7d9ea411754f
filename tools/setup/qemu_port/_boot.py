"""Mounts what QEMU's loader has put into the machine: a disk, and files to read.

The second word at PARAMETERS is the size of the disk in bytes, 0 for none. The disk is RAM outside
of Python's heap: it outlives a soft reset, as flash does. The third word is the address of a ROM
file system, 0 for none, and the fourth its size.
"""

import sys

import machine
import uctypes
import vfs

_PARAMETERS = {"mps2-an385": 0x20000000, "microbit": 0xFF000}
_DISK = 0x21000000  # the PSRAM of mps2-an385, 16 MB
_BLOCK = 4096


class Disk:
    """A block device as vfs.VfsLfs2 wants it, over memory."""

    def __init__(self, memory):
        self._memory = memory

    def readblocks(self, number, buffer, offset=0):
        """Read into the buffer."""
        start = number * _BLOCK + offset
        buffer[:] = self._memory[start : start + len(buffer)]

    def writeblocks(self, number, buffer, offset=0):
        """Write the buffer."""
        start = number * _BLOCK + offset
        self._memory[start : start + len(buffer)] = buffer

    def ioctl(self, operation, _):
        """Return the number of blocks (4) or their size (5); erasing needs nothing."""
        return {4: len(self._memory) // _BLOCK, 5: _BLOCK, 6: 0}.get(operation)


def _mount():
    base = 0
    for name, address in _PARAMETERS.items():
        if name in sys.implementation._machine:
            base = address
    _, size, rom, rom_size = (machine.mem32[base + 4 * number] for number in range(4))
    if size:
        disk = Disk(memoryview(uctypes.bytearray_at(_DISK, size)))
        try:
            file_system = vfs.VfsLfs2(disk)
        except OSError:
            vfs.VfsLfs2.mkfs(disk)
            file_system = vfs.VfsLfs2(disk)
        vfs.mount(file_system, "/")
        sys.path.append("/lib")
    if rom:
        vfs.mount(vfs.VfsRom(uctypes.bytearray_at(rom, rom_size)), "/rom")
        sys.path.append("/rom")
        sys.path.append("/rom/lib")


_mount()
