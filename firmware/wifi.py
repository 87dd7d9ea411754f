"""Joins the Wi-Fi network of the settings, and comes back to it when the radio drops.

The radio's reasons are told, where the port knows them, but none of them is believed for good: an
access point that restarts can look like a wrong password. So what ends the trying is time alone.
"""

import asyncio
import os

import network
from est_errors import NetworkError
from micropython import const

_ATTEMPT = const(30)  # seconds for one attempt: association, WPA and DHCP at a busy access point
_LONGEST = const(
    60
)  # seconds between two attempts: an access point restarts in one or two minutes
_RESET = const(4)  # attempts in vain, after which the radio is switched off and on
_STALE = const(3)  # seconds in which a status may still be that of the attempt before
_CHECK = const(5)  # seconds between two looks at a connection that stands
_POLLS = const(5)  # in one second

# A constant of `network`, where the port has it: what is told when the radio reports it.
_REASONS = (
    ("STAT_WRONG_PASSWORD", "the password is wrong"),
    ("STAT_HANDSHAKE_TIMEOUT", "the password is wrong, or the signal is weak"),
    ("STAT_NO_AP_FOUND", "there is no such network in reach"),
    ("STAT_ASSOC_FAIL", "the access point refuses this board"),
    ("STAT_CONNECT_FAIL", "the access point refuses this board"),
)


async def connect(ssid, password=None, max_wait=None, attempt=_ATTEMPT, log=None):
    """Join the network; return its network.WLAN once the board has an address.

    ssid, password: str, password None for an open network. max_wait: seconds (int) for all
    attempts together, of which there is one at least, or None: until it works. attempt: seconds
    for one of them. log: function of a level (see logging) and a str. The waits in between double
    from one second to a minute, with jitter, so that a fleet does not come all at once. A board
    that is connected already stays so. Raises NetworkError with the radio's last reason.
    """
    wlan = network.WLAN(network.STA_IF)
    spent = tries = 0
    while not wlan.isconnected():
        reset = tries and tries % _RESET == 0
        reason, seconds = await _attempt(wlan, ssid, password, attempt, reset)
        if not reason:
            break
        wait = _backoff(tries)
        spent += seconds + wait
        tries += 1
        if max_wait is not None and spent > max_wait:
            raise NetworkError("no connection to the network %r: %s" % (ssid, reason), "wifi")
        if log:
            log(30, "wifi: %s; trying again in %d s" % (reason, wait))
        await asyncio.sleep(wait)
    return wlan


async def keep_connected(ssid, password=None, log=None):
    """Join the network again whenever it is lost; an endless task for the background."""
    while True:
        try:
            await _rejoin(ssid, password, log)
        except Exception as error:  # the driver's or the log's: no other task would do this
            print("wifi:", repr(error))
        await asyncio.sleep(_CHECK)


async def _rejoin(ssid, password, log):
    if network.WLAN(network.STA_IF).isconnected():
        return
    if log:
        log(30, "wifi: the connection to %r is lost" % ssid)
    await connect(ssid, password, log=log)
    if log:
        log(20, "wifi: connected again")


async def _attempt(wlan, ssid, password, seconds, reset):
    """Try once; return (why it failed or None, how many seconds that took).

    reset: whether the radio is switched off before.
    """
    try:
        if reset:
            wlan.active(False)
        if not wlan.active():
            wlan.active(True)
        _leave(wlan)  # an attempt of the port's own would refuse ours
        before = wlan.status()
        wlan.connect(ssid, password)
    except (OSError, RuntimeError) as error:  # RuntimeError: "Wifi Unknown Error" of the ESP32
        return "the radio says %s" % error, 0
    for poll in range(seconds * _POLLS):
        if wlan.isconnected():
            return None, 0
        status = wlan.status()
        if status != before or poll >= _STALE * _POLLS:
            for name, reason in _REASONS:
                if status == getattr(network, name, None):
                    _leave(wlan)
                    return reason, poll // _POLLS
        await asyncio.sleep(1 / _POLLS)
    _leave(wlan)
    return "no address within %d s" % seconds, seconds


def _leave(wlan):
    """Stop trying; a radio that was not even trying says so on some ports."""
    try:
        wlan.disconnect()
    except (OSError, RuntimeError):
        pass


def _backoff(tries):
    """Return seconds (int) to wait: doubled at each try, and up to half of it less by chance."""
    most = min(_LONGEST, 1 << min(tries, 6))
    return most - most * os.urandom(1)[0] // 512


async def join(settings, max_wait, enrolled, log):
    """Join the Wi-Fi network of the settings (dict of connect()'s arguments); stay in it.

    enrolled: whether the board has its certificate: then it need not wait, for its application may
    have work without. Returns the asyncio task that rejoins the network. Raises NetworkError.
    """
    print("wifi: joining", settings["ssid"])
    try:
        await connect(max_wait=0 if enrolled else max_wait, log=log, **settings)
        print("wifi: connected")
    except NetworkError as error:
        if not enrolled:
            raise
        print("%s; going on without" % error)
    return asyncio.create_task(keep_connected(log=log, **settings))
