"""A plausible time before the first certificate is checked.

A board without a battery starts in 2000, 2021 or 1970, and then every certificate is "not valid
yet". The floor is the date on which this library or the firmware was built; a clock before it is
not set.
"""

import asyncio
import sys

import unix_time
from est_errors import NetworkError
from micropython import const

_RELEASE = const(1764547200)  # 2025-12-01: this library is not older
_TRIES = const(3)


def floor():
    """Return the Unix time before which it cannot be: int."""
    # MicroPython's sys.version ends in "... on 2025-09-13".
    words = sys.version.split(" on ")
    try:
        year, month, day = [int(part) for part in words[-1].split("-")]
    except ValueError:
        return _RELEASE
    return max(_RELEASE, unix_time.from_date(year, month, day))


def plausible():
    """Return whether the clock may be right."""
    return unix_time.now() >= floor()


async def set_from_network(server):
    """Set the clock by NTP, unless it is plausible. server: str. Raises NetworkError."""
    if plausible():
        return
    import ntptime

    ntptime.host = server
    for _ in range(_TRIES):
        try:
            ntptime.settime()
        except OSError:
            await asyncio.sleep(1)
        if plausible():
            return
    raise NetworkError(
        "%s gave no plausible time; the clock says %s" % (server, unix_time.text(unix_time.now())),
        "clock",
    )
