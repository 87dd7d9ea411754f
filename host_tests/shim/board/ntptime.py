"""A simulated board's `ntptime`: the network says the host's time, or the simulated world's.

Where a file "no-ntp" lies beside that world's clock, no time server answers; where "wrong-ntp"
does, it is five years ahead.
"""

import os
import sys
import time as _time

host = "pool.ntp.org"


def time():
    """Return the seconds since this port's epoch."""
    now = _time.time()
    rtc = sys.modules.get("rtc")  # loaded in simulated time
    if rtc:
        board, world = rtc.clocks
        files = os.listdir(world.rpartition("/")[0])
        if "no-ntp" in files:
            raise OSError(110)  # ETIMEDOUT
        if "wrong-ntp" in files:
            now += 157788000
        now += rtc.offset(world) - rtc.offset(board)
    return int(now)
