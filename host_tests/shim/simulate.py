"""Boots a simulated board: `micropython simulate.py FLASH SHIM...`, or the same under CPython.

FLASH is the folder that stands for the board's file system; its boot.py and main.py run exactly
as on a board. With --image it is a file that holds a littlefs, which becomes the root; then
--power-cut=N,MODE cuts the power at the Nth flash operation. --clock=FOLDER,SPEED: simulated time
(estctl/timeline.py); who waits by unix_time.sleep has the host let it pass: prints one line,
{"sleep": seconds}, and reads one. --approve=HEX does first what a person does at the REPL:
identity.approve(HEX). The last line is one JSON object: {"failure", "error", "step", "status",
"live_heap", "flash_operations"}.
"""

import json
import os
import sys

# Short, and without functions that a boot does not need: this stands in the board's heap.


def boot(approve, meter, chip):
    """Boot as a board does; return the report."""
    __import__("micropython")  # in CPython the shim's, which completes gc
    __import__("boot")
    from est_errors import ApprovalNeeded, EstError, RetryLater
    from heap import forget

    failure = status = None
    forget()  # as main.py does
    try:
        if approve:
            from devid import DeviceIdentity

            DeviceIdentity.from_settings("device.json").approve(approve)
        main = __import__("main")
        failure = getattr(main, "failure", None)  # an application may have a main.py of its own
        # What waits for a person's approval, or for the server, is in the status, too.
        if not failure or isinstance(failure, (ApprovalNeeded, RetryLater)):
            status = main.identity.status()
    except EstError as error:
        failure = error
        print("failed:", error)
    if meter:
        meter.sample()
    return {
        "failure": failure.__class__.__name__ if failure else None,
        "error": str(failure) if failure else None,
        "step": failure.step if failure else None,
        "status": status,
        "live_heap": meter.most if meter else 0,
        "flash_operations": chip.operations if chip else None,
    }


def start():
    """Do what the command line says; return the report."""
    shims, options = [], {}
    for argument in sys.argv[2:]:
        if argument[:2] == "--":
            name, _, value = argument[2:].partition("=")
            options[name] = value
        else:
            shims.append(argument)
    meter = chip = None
    host = ""
    if "image" in options:
        sys.path[:0] = shims
        import world

        chip = world.mount(sys.argv[1], options.get("power-cut"))
        del sys.path[: len(shims)]
        host = "/host"
        os.chdir("/")
    else:
        os.chdir(sys.argv[1])
    sys.path[:0] = ["", "lib"] + [host + path for path in shims]
    if "clock" in options:
        import world

        folder, speed = options["clock"].split(",")
        world.live_in(host + folder, float(speed))
    if "meter" in options:
        import world

        meter = world.meter()
    if chip:
        return world.until_power_cut(lambda: boot(options.get("approve"), meter, chip), chip)
    return boot(options.get("approve"), meter, None)


try:
    print(json.dumps(start()))
except MemoryError:  # before main.py could say so, or after
    print("failed: boot: not enough memory: the heap is too small")
