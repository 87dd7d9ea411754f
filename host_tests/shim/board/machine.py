"""A simulated board's `machine`, for the unix port and for CPython; in simulated time with RTC."""

import os

_ID_FILE = "unique_id"


def unique_id():
    """Return this simulated chip's 8 octets; they stay the same for one flash folder."""
    try:
        with open(_ID_FILE, "rb") as file:
            return file.read()
    except OSError:
        octets = os.urandom(8)
        with open(_ID_FILE, "wb") as file:
            file.write(octets)
        return octets
