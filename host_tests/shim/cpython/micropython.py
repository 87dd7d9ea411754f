"""MicroPython's `micropython` module for CPython: constants and code emitters do nothing here."""


def const(value):
    """Return value unchanged; MicroPython's compiler folds it."""
    return value


def native(function):
    """Return function unchanged; MicroPython compiles it to machine code."""
    return function
