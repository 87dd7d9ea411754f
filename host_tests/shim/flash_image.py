"""Copies files into a littlefs image and out of it; runs in MicroPython, for estctl.

`micropython flash_image.py SHIM IMAGE BLOCKS put FOLDER` copies what is in FOLDER and differs; an
image that is missing is made, with so many blocks of 4 KiB. Where FOLDER has a lib, nothing else
stays in the image's. `... get FOLDER` copies all but lib out of the image.
"""

import os
import sys

FLASH = "/flash"
_DIRECTORY = 0x4000


def _entries(folder):
    """Return (names of folders, names of files) in a folder; none where it is missing."""
    found = ([], [])
    try:
        for entry in os.ilistdir(folder):
            if entry[0] not in (".", ".."):
                found[entry[1] != _DIRECTORY].append(entry[0])
    except OSError:
        pass
    return found


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _copy(source, target, leave_out=()):
    """Copy what differs from one folder to another."""
    folders, files = _entries(source)
    try:
        os.mkdir(target)
    except OSError:
        pass  # it is there
    for name in files:
        content = _read(source + "/" + name)
        if content != _read(target + "/" + name):
            with open(target + "/" + name, "wb") as file:
                file.write(content)
    for name in folders:
        if name not in leave_out:
            _copy(source + "/" + name, target + "/" + name)


def _remove_others(wanted, folder):
    """Remove the files of a folder that are not in the wanted one."""
    keep, (folders, files) = _entries(wanted)[1], _entries(folder)
    for name in files:
        if name not in keep:
            os.remove(folder + "/" + name)
    for name in folders:
        _remove_others(wanted + "/" + name, folder + "/" + name)


def _main(shim, image, blocks, command, folder):
    sys.path.insert(0, shim)
    import flash_chip

    chip = flash_chip.File(image, int(blocks))
    flash_chip.mounted(chip, FLASH, new=chip.new)
    if command == "get":
        _copy(FLASH, folder, ("lib",))
        return
    if "lib" in _entries(folder)[0]:
        _remove_others(folder + "/lib", FLASH + "/lib")
    _copy(folder, FLASH)


_main(*sys.argv[1:])
