"""A simulated board's `machine`, for the unix port and for CPython."""

import os
import time

_ID_FILE = "unique_id"

clocks = None  # (board's, world's): files of offsets to real time; set by simulate.py


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


def offset(file):
    """Return what a clock is before real time, in seconds (float)."""
    with open(file) as opened:
        return float(opened.read())


class _RTC:
    """The board's clock, in simulated time."""

    def datetime(self, date):
        """Set the clock: year, month, day, weekday, hours, minutes, seconds, subseconds."""
        import unix_time

        seconds = unix_time.from_date(*(date[:3] + date[4:7]))
        text = "%+f\n" % (seconds - time.time() + offset(clocks[0]))
        with open(clocks[0], "w") as file:
            file.write(text)


def __getattr__(name):
    if name == "RTC" and clocks:
        return _RTC
    raise AttributeError(name)  # the host's clock is not a board's to set
