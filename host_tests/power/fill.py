"""Fills a littlefs image but for some blocks; runs in MicroPython: `fill.py SHIM IMAGE LEFT`.

LEFT "all" removes the fillers again. What statvfs says is no measure: littlefs counts some blocks
twice.
"""

import os
import sys

FLASH = "/flash"
_FULL = (28, 36)  # ENOSPC; littlefs makes ENAMETOOLONG of it where a file is new


def _write(name):
    """Write blocks into a file until there is no room for another."""
    try:
        with open(FLASH + "/" + name, "wb") as file:
            while True:
                file.write(b"f" * 4096)
                file.flush()
    except OSError as error:
        if error.args[0] not in _FULL:
            raise


def _main(shim, image, left):
    sys.path.insert(0, shim)
    import flash_chip

    flash_chip.mounted(flash_chip.File(image), FLASH)
    if left == "all":
        for name in os.listdir(FLASH):
            if name.startswith("filler"):
                os.remove(FLASH + "/" + name)
        return
    for number in range(int(left)):
        with open(FLASH + "/room%d" % number, "wb") as file:
            file.write(b"r" * 4096)
    for number in range(3):  # what the first one gives back when it is closed is for the next
        _write("filler%d" % number)
    for number in range(int(left)):
        os.remove(FLASH + "/room%d" % number)


_main(*sys.argv[1:])
