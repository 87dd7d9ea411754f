"""Enrols and renews one simulated board again and again; runs in one MicroPython interpreter.

`micropython soak.py LIB FLASH RUNS EVERY`: every other run erases the identity first. Prints one
JSON object each EVERY runs: {"runs", "free", "handles"}, octets of free heap and open files, when
all that an operation loads has left the heap.
"""

import json
import os
import sys

LIB, FLASH, RUNS, EVERY = sys.argv[1:]
sys.path[:] = [LIB, ".frozen"]
os.chdir(FLASH)

import asyncio  # noqa: E402
import gc  # noqa: E402

import devid  # noqa: E402
from heap import forget, write_over  # noqa: E402


async def once(enrol):
    """Enrol anew, or renew; return what DeviceIdentity says that it did."""
    identity = devid.DeviceIdentity.from_settings("device.json")
    if enrol:
        from devid.store import Store

        Store("identity").erase()
        return await identity.ensure()
    return await identity.renew()


async def main():
    """Do all runs; tell how much is free now and then."""
    for run in range(int(RUNS)):
        done = await once(run % 2 == 0)
        if done != (devid.RENEWED if run % 2 else devid.ENROLLED):
            raise ValueError("run %d: %s" % (run, done))
        if (run + 1) % int(EVERY) == 0:
            await write_over()
            forget("est", "pki.pem", *devid.FOR_TRUST)
            gc.collect()
            handles = len(list(os.ilistdir("/proc/self/fd")))
            print(json.dumps({"runs": run + 1, "free": gc.mem_free(), "handles": handles}))


asyncio.run(main())
