"""The part of `make bench` that counts, on a chip, how long P-256 gives no other task a turn.

`bench_turns.main()` prints the most ticks between two turns of another task, for each operation.
"""

import asyncio
import gc
import json
import time

from pki import p256

_D = 0xC51E4753AFDEC1E6B6C6A5B992F43F8DD0C7A8933072708B6522468B2FFB06FD  # any scalar does
_DIGEST = bytes(range(32))


async def _longest(work):
    """Return the result of a coroutine, and the most ticks that it ran without giving way."""
    most = 0
    begun = 0

    async def other():
        nonlocal most, begun
        while True:
            most = max(most, time.ticks_diff(time.ticks_cpu(), begun))
            begun = time.ticks_cpu()
            await asyncio.sleep(0)
            # What comes back here has waited for the work alone.

    gc.collect()
    begun = time.ticks_cpu()
    task = asyncio.create_task(other())
    result = await work
    task.cancel()
    return result, max(most, time.ticks_diff(time.ticks_cpu(), begun))


async def _operations():
    figures = {}
    point = await p256.multiply_base(_D)  # loads and tries the engine
    point, figures["keygen"] = await _longest(p256.multiply_base(_D))
    signed, figures["sign"] = await _longest(p256.sign(_D, _DIGEST))
    await p256.verify(point, _DIGEST, *signed)
    right, figures["verify"] = await _longest(p256.verify(point, _DIGEST, *signed))
    assert right
    return figures


def main():
    """Measure and print."""
    print(json.dumps(asyncio.run(_operations())))
