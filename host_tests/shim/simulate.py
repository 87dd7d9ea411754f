"""Boots a simulated board: `micropython simulate.py FLASH SHIM...`, or the same under CPython.

FLASH is the folder that stands for the board's file system; its boot.py and main.py run exactly
as on a board. --approve=HEX does first what a person does at the REPL: identity.approve(HEX). The
last line is one JSON object: {"failure", "error", "step", "status", "live_heap"}.
"""

import asyncio
import gc
import json
import os
import sys

_SAMPLE_MS = 3


class HeapMeter:
    """Samples the live heap (garbage collected first) while the board works."""

    def __init__(self):
        self.most = 0

    def sample(self):
        if hasattr(gc, "mem_alloc"):
            gc.collect()
            self.most = max(self.most, gc.mem_alloc())

    async def run(self):
        while True:
            self.sample()
            await asyncio.sleep(_SAMPLE_MS / 1000)


def _meter(meter):
    """Start the meter together with the board's own event loop."""
    run = asyncio.run

    async def both(main):
        task = asyncio.create_task(meter.run())
        try:
            return await main
        finally:
            task.cancel()

    asyncio.run = lambda main: run(both(main))


def _approve():
    """Do what --approve says, before the boot."""
    for argument in sys.argv:
        if argument.startswith("--approve="):
            from devid import DeviceIdentity

            DeviceIdentity.from_settings("device.json").approve(argument[10:])


def _boot():
    meter = HeapMeter()
    metered = "--meter" in sys.argv
    if metered:
        _meter(meter)
    __import__("micropython")  # in CPython the shim's, which completes gc
    __import__("boot")
    from est_errors import ApprovalNeeded, EstError, RetryLater

    failure = status = None
    try:
        _approve()
        main = __import__("main")
        failure = getattr(main, "failure", None)  # an application may have a main.py of its own
        # What waits for a person's approval, or for the server, is in the status, too.
        if not failure or isinstance(failure, (ApprovalNeeded, RetryLater)):
            status = main.identity.status()
    except EstError as error:
        failure = error
        print("failed:", error)
    if metered:
        meter.sample()
    report = {
        "failure": failure.__class__.__name__ if failure else None,
        "error": str(failure) if failure else None,
        "step": failure.step if failure else None,
        "status": status,
        "live_heap": meter.most,
    }
    print(json.dumps(report))


os.chdir(sys.argv[1])
sys.path[:0] = ["", "lib"] + [path for path in sys.argv[2:] if path[:2] != "--"]
_boot()
