"""A simulated board's `ntptime`: the network says the host's time, or the simulated world's.

Where a file "no-ntp" lies beside that world's clock, no time server answers.
"""

import os
import time as _time

import machine

host = "pool.ntp.org"


def time():
    """Return the seconds since this port's epoch."""
    now = _time.time()
    if machine.clocks:
        board, world = machine.clocks
        if "no-ntp" in os.listdir(world.rpartition("/")[0]):
            raise OSError(110)  # ETIMEDOUT
        now += machine.offset(world) - machine.offset(board)
    return int(now)
