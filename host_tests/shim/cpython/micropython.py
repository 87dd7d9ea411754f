"""MicroPython's `micropython` module for CPython: constants and code emitters do nothing here.

It also gives `gc` what MicroPython's has, a heap that is always large, and `time` its ticks.
"""

import gc
import time

gc.mem_free = lambda: 1 << 30
gc.threshold = lambda octets: None
time.ticks_ms = lambda: time.monotonic_ns() // 1000000


def const(value):
    """Return value unchanged; MicroPython's compiler folds it."""
    return value


def native(function):
    """Return function unchanged; MicroPython compiles it to machine code."""
    return function
