"""What a simulated board may have beyond a boot: an image for its flash, simulated time, a meter.

A module of its own, so that it takes no heap from boots that do without it.
"""

import asyncio
import gc
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


def meter():
    """Return a HeapMeter that starts together with the board's own event loop."""
    found = HeapMeter()
    run = asyncio.run

    async def both(main):
        task = asyncio.create_task(found.run())
        try:
            return await main
        finally:
            task.cancel()

    asyncio.run = lambda main: run(both(main))
    return found


def mount(image, cut):
    """Mount an image as the root; the host's files are below /host then. Return the chip.

    cut: "N,MODE", or None.
    """
    import flash_chip
    import vfs

    chip = flash_chip.File(image)
    if cut:
        at, mode = cut.split(",")
        chip.cut(int(at), mode)
    flash_chip.mounted(chip, "/")
    vfs.mount(vfs.VfsPosix("/"), "/host")
    return chip


def live_in(folder, speed):
    """Live in simulated time: unix_time.sleep takes 1/speed of its time."""
    import machine
    import rtc

    rtc.clocks = (folder + "/board", folder + "/world")
    machine.RTC = rtc.RTC  # otherwise there is none: the host's clock is not a board's to set
    import unix_time

    async def sleep(seconds):
        print('{"sleep": %f}' % seconds)
        if hasattr(sys.stdout, "flush"):
            sys.stdout.flush()
        sys.stdin.readline()
        await asyncio.sleep(seconds / speed)

    unix_time.sleep = sleep


def until_power_cut(boot, chip):
    """Return the report of boot(); where the power is cut before its end, one that says so."""
    import flash_chip

    try:
        report = boot()
    except flash_chip.PowerCut:
        pass
    except Exception:
        if not chip.off:  # else it is what came of the cut
            raise
    if chip.off:
        text = "the power was cut at flash operation %d: %s" % (chip.operations, chip.off)
        report = {"failure": "PowerCut", "error": text, "step": "boot", "status": None}
        report.update({"live_heap": 0, "flash_operations": chip.operations})
    return report
