"""Gives back the heap of modules that have served.

A module loaded from the file system lives in the heap, and its code leaves it when nothing holds
the module any more. What is frozen into the firmware is in flash and costs nothing either way.
"""

import gc
import sys


def forget(*modules):
    """Drop modules (names); the next import loads them again. Not loaded: nothing happens."""
    for module in modules:
        if sys.modules.pop(module, None):
            package, _, name = module.rpartition(".")
            if package:
                delattr(sys.modules[package], name)
    gc.collect()
