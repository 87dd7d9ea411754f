"""The part of `make bench` that weighs P-256's heap, on a chip: `bench_heap.main()`.

Prints how many bytes of heap pki.p256 takes at most while it makes a key: its modules, their code
and tables, and what it works with; over what a program without it has.
"""

import asyncio
import gc
import os  # noqa: F401  on boards it is in the firmware; here it is a file
import sys

_K = 0xC51E4753AFDEC1E6B6C6A5B992F43F8DD0C7A8933072708B6522468B2FFB06FD  # any scalar does
_most = 0


async def _sample():
    global _most
    while True:
        gc.collect()
        _most = max(_most, gc.mem_alloc())
        await asyncio.sleep(0)


async def _nothing(_):
    for _ in range(3):
        await asyncio.sleep(0)


async def _at_most(work):
    """Return the most heap that is live while work runs; it gives way now and then."""
    global _most
    _most = 0
    task = asyncio.create_task(_sample())
    await work(_K)
    task.cancel()
    return _most


def main():
    """Measure and print."""
    before = asyncio.run(_at_most(_nothing))
    from pki import p256

    most = asyncio.run(_at_most(p256.multiply_base))
    assert "pki.p256_portable" not in sys.modules
    print(most - before)
