"""Gives back the heap of modules that have served.

A module loaded from the file system lives in the heap, and its code leaves it when nothing holds
the module any more. What is frozen into the firmware is in flash and costs nothing either way.
"""

import asyncio
import gc
import hashlib
import io
import sys

from micropython import const

_POLL = const(3)  # MP_STREAM_POLL
_EINVAL = const(-22)
# An error's class has to be the same everywhere; machine code that was loaded from a file stays in
# the memory of ESP32 and of the unix port until a reset.
_SHARED = const(("est_errors", "est_limits", "pki.p256_field", "pki.sha512_viper"))
_ROOMY = const(524288)  # bytes: with PSRAM, or on a PC
_roomy = gc.mem_free() > _ROOMY
_SLOTS = const((29, 37, 47, 59, 73, 89))  # sizes of MicroPython's tables; ours fills the first
_slots = 0  # of the table of modules, at least
_DEPTH = const(16)  # calls: what an operation awaits is as deep, and a handshake goes deeper


def forget(*modules):
    """Drop modules (names); the next import loads them again. Not loaded: nothing happens.

    "package." stands for all modules of a package, "est_" for all that begin so; what every layer
    shares stays. What runs now goes on, and leaves later. Where the heap has much room (PSRAM, a
    PC) all of them stay: to load them again takes longer than their room is worth, and to collect
    such a heap up to a tenth of a second.
    """
    if _roomy:
        return
    _clear_slots()
    for wanted in modules:
        # A slice: MicroPython keeps a single character for ever, as it does names.
        for module in list(sys.modules) if wanted[-1:] in "._" else (wanted,):
            if module in _SHARED:
                continue
            if module.startswith(wanted) and sys.modules.pop(module, None):
                package, _, name = module.rpartition(".")
                if package:
                    delattr(sys.modules[package], name)
    try:
        _hash(_DEPTH)
    except (RuntimeError, MemoryError):
        pass  # the C stack ends there: all of it is written over; or nothing is free yet
    gc.collect()


def _clear_slots():
    """Write over what sys.modules has of modules that it has no more.

    MicroPython's table keeps a module whose import failed, with all that this had loaded, until
    another takes its place: after a MemoryError 6 KiB, when they are needed most. And the table
    has its size from now on: to grow beside a TLS connection it would stay there for good.
    """
    global _slots
    count = len(sys.modules)
    for slots in _SLOTS:
        if slots >= count:
            _slots = max(_slots, slots)  # it never gets smaller
            break
    for name in range(count, _slots):
        sys.modules[name] = None
    for name in range(count, _slots):
        del sys.modules[name]


async def let_go(*modules):
    """As forget(), of what has been awaited, too: see write_over(). Other tasks get a turn:
    collecting garbage takes long enough."""
    await write_over()
    forget(*modules)
    await asyncio.sleep(0)


async def write_over():
    """Write over the C stack, as deep as what has just been awaited reached.

    MicroPython's collector takes each word there for a reference, and C functions leave parts of
    their frames unset: so a response that nobody had any more, and with it all modules that only
    a connection needs, could stay in the heap (12 KiB). A task begins where those began. A heap
    with much room can keep them.
    """
    if _roomy:
        return
    try:
        await asyncio.create_task(_write(_DEPTH))
    except RuntimeError:
        pass  # as in forget()
    if hasattr(asyncio, "core"):
        # MicroPython's poll object holds what was ready last, and so a TLS connection that was
        # closed (2.5 KiB): something else takes its place.
        await asyncio.StreamReader(_Ready()).read(1)


class _Ready(io.IOBase):
    """A stream at its end, ready at once."""

    def ioctl(self, request, argument):
        # An error else: a 0 would name file descriptor 0, and standard input be waited for.
        return argument if request == _POLL else _EINVAL

    def read(self, size):
        return b""


async def _write(depth):
    _hash(3)
    if depth:
        await _write(depth - 1)


def _hash(depth):
    """Write over the C stack below the caller: frames of our own leave the same words unset as
    those before them, but a hash writes all of its block."""
    hashlib.sha256(b"").digest()
    if depth:
        _hash(depth - 1)
