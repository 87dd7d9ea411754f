"""Boots a simulated board: `micropython simulate.py FLASH SHIM...`, or the same under CPython.

FLASH is the folder that stands for the board's file system; its boot.py and main.py run exactly
as on a board. With --image it is a file that holds a littlefs, which becomes the root; then
--power-cut=N,MODE cuts the power at the Nth flash operation. --clock=FOLDER,SPEED: simulated time
(estctl/timeline.py); who waits by unix_time.sleep has the host let it pass: prints one line,
{"sleep": seconds}, and reads one. --approve=HEX does first what a person does at the REPL:
identity.approve(HEX). The last line is one JSON object: {"failure", "error", "step", "status",
"live_heap", "flash_operations"}.
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


def _value(option):
    """Return what follows --OPTION=, or None."""
    for argument in sys.argv:
        if argument.startswith("--" + option + "="):
            return argument[len(option) + 3 :]
    return None


def _mount(image):
    """Mount an image as the root; the host's files are below /host then. Return the chip."""
    import flash_chip
    import vfs

    chip = flash_chip.File(image)
    cut = _value("power-cut")
    if cut:
        at, mode = cut.split(",")
        chip.cut(int(at), mode)
    flash_chip.mounted(chip, "/")
    vfs.mount(vfs.VfsPosix("/"), "/host")
    return chip


def _live_in(folder, speed):
    """Live in simulated time: unix_time.sleep takes 1/speed of its time."""
    import machine

    machine.clocks = (folder + "/board", folder + "/world")
    import unix_time

    async def sleep(seconds):
        print('{"sleep": %f}' % seconds)
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
        sys.stdin.readline()
        await asyncio.sleep(seconds / speed)

    unix_time.sleep = sleep


def _run(chip):
    """Boot; where the power is cut, say so in place of the board's report."""
    if chip is None:
        return _boot(None)
    import flash_chip

    try:
        report = _boot(chip)
    except flash_chip.PowerCut:
        pass
    if chip.off:
        text = "the power was cut at flash operation %d: %s" % (chip.operations, chip.off)
        report = {"failure": "PowerCut", "error": text, "step": "boot", "status": None}
        report.update({"live_heap": 0, "flash_operations": chip.operations})
    return report


def _boot(chip):
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
    return {
        "failure": failure.__class__.__name__ if failure else None,
        "error": str(failure) if failure else None,
        "step": failure.step if failure else None,
        "status": status,
        "live_heap": meter.most,
        "flash_operations": chip.operations if chip else None,
    }


def _main():
    shims = [path for path in sys.argv[2:] if path[:2] != "--"]
    chip, host = None, ""
    if "--image" in sys.argv:
        sys.path[:0] = shims
        chip, host = _mount(sys.argv[1]), "/host"
        del sys.path[: len(shims)]
        os.chdir("/")
    else:
        os.chdir(sys.argv[1])
    sys.path[:0] = ["", "lib"] + [host + path for path in shims]
    clock = _value("clock")
    if clock:
        folder, speed = clock.split(",")
        _live_in(host + folder, float(speed))
    print(json.dumps(_run(chip)))


_main()
