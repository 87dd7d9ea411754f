"""Helpers of the unit tests, the same under CPython and MicroPython."""

import sys

# Set by the runner: the folder host_tests, as text.
HOST_TESTS = sys.path[0] if sys.path[0].endswith("host_tests") else "host_tests"


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


def raises(expected, function, *args, **kwargs):
    """Call function; return the expected exception that it raised."""
    try:
        result = function(*args, **kwargs)
    except expected as error:
        return error
    raise AssertionError("%s was not raised; the result was %r" % (expected.__name__, result))


async def araises(expected, awaitable):
    """Await; return the expected exception that came."""
    try:
        result = await awaitable
    except expected as error:
        return error
    raise AssertionError("%s was not raised; the result was %r" % (expected.__name__, result))


def vector(name):
    """Return the bytes of host_tests/vectors/<name>."""
    with open(HOST_TESTS + "/vectors/" + name, "rb") as file:
        return file.read()


def shared(name):
    """Return the bytes of ../shared/vectors/<name>; skip the test where the folder is absent."""
    try:
        file = open(HOST_TESTS + "/../../shared/vectors/" + name, "rb")  # noqa: SIM115
    except OSError:
        raise Skip("../shared/vectors is not here")
    with file:
        return file.read()
