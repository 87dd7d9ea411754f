"""Cancels the opening of a connection at each turn after its handshake, for the tests.

`cancel_probe.py LIB SHIM... < JSON` (port, and anchors as hex). Prints {"cancelled", "handles"}:
how often it was cancelled, and the most open files then, beyond those before and before the
garbage collector could close any.
"""

import json
import os
import sys
from binascii import unhexlify

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

import est  # noqa: E402

MOST = 100  # turns; far more than there are between the handshake and the first request


def _handles():
    return len(os.listdir("/proc/self/fd"))


async def _cancel(task, turns):
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()


async def _opened(wish, turns):
    """Connect, and cancel it after these turns; return the open files, or None: it was done."""
    client = est.Client(
        "127.0.0.1",
        wish["port"],
        anchors=[unhexlify(raw) for raw in wish["anchors"]],
        log=lambda level, text: "authorised" in text and asyncio.create_task(_cancel(task, turns)),
    )
    task = asyncio.create_task(client.connect())
    handles = None
    try:
        await task
    except asyncio.CancelledError:
        handles = _handles()  # while the task is held, and with it all that it had
    await client.close()
    return handles


async def main():
    wish = json.loads(sys.stdin.read())
    await _opened(wish, MOST)
    before, found = _handles(), []
    while (handles := await _opened(wish, len(found))) is not None:
        found.append(handles - before)
    return {"cancelled": len(found), "handles": max(found)}


print(json.dumps(asyncio.run(main())))
