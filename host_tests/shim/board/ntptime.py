"""A simulated board's `ntptime`: the network says the host's time, or the simulated world's."""

import time as _time

import machine

host = "pool.ntp.org"


def time():
    """Return the seconds since this port's epoch."""
    now = _time.time()
    if machine.clocks:
        board, world = machine.clocks
        now += machine.offset(world) - machine.offset(board)
    return int(now)
