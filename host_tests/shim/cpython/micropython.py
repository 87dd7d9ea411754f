"""MicroPython's `micropython` module for CPython: constants and code emitters do nothing here.

It also gives `gc` what MicroPython's has: a heap that is always large.
"""

import gc

gc.mem_free = lambda: 1 << 30
gc.threshold = lambda octets: None


def const(value):
    """Return value unchanged; MicroPython's compiler folds it."""
    return value


def native(function):
    """Return function unchanged; MicroPython compiles it to machine code."""
    return function
