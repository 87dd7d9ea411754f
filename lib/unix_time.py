"""Unix time on every port: RP2 and the unix port count from 1970, ESP32 from 2000."""

import asyncio
import time

_EPOCH_2000 = 946684800  # Unix time of 2000-01-01T00:00:00Z


def now():
    """Return the current time in Unix seconds (int), as this device's clock has it."""
    return int(time.time()) + offset()


async def sleep(seconds):
    """Wait so many seconds (int); simulations of whole lives replace this function."""
    await asyncio.sleep(seconds)


def offset():
    """Return what to add to this port's time.time() to get Unix time: seconds (int)."""
    return _EPOCH_2000 if time.gmtime(0)[0] == 2000 else 0


def from_date(year, month, day, hour=0, minute=0, second=0):
    """Return Unix seconds (int) of a UTC date of the Gregorian calendar; nothing is checked."""
    # The year is made to begin in March, so that the leap day is its last.
    if month <= 2:
        year -= 1
        month += 12
    days = (
        365 * year
        + year // 4
        - year // 100
        + year // 400
        + (153 * month - 457) // 5
        + day
        - 719469
    )
    return (days * 24 + hour) * 3600 + minute * 60 + second


def late(seconds):
    """Return whether Unix seconds are more than gmtime() takes on a port with 32 bits."""
    return abs(seconds - offset()) >> 31 > 0


def text(seconds):
    """Return Unix seconds as "2026-11-23 19:04:59Z" (str)."""
    if late(seconds):
        return "a time after 2038" if seconds > 0 else "a time before 1902"
    date = time.gmtime(seconds - offset())
    return "%04d-%02d-%02d %02d:%02d:%02dZ" % tuple(date[:6])
