"""A plausible time before the first certificate is checked.

A board without a battery starts in 2000, 2021 or 1970, and then every certificate is "not valid
yet". It cannot be earlier than the build of this library or of the firmware, or than what a CA
dated: the stored certificate, and the first of the trust anchors. A clock before these is not set.
The time that was kept on flash is only a clock's word: it stands in, and overrules no other.
Verification is never switched off because of all this.
"""

import asyncio
import sys
import time

import unix_time
from est_errors import NetworkError, TrustError
from micropython import const

_RELEASE = const(1764547200)  # 2025-12-01: this library is not older
_HORIZON = const(946080000)  # 30 years: nothing that is made now will still run then
_TRIES = const(3)
_NO_TIME = const(2085978496)  # NTP's second 0, in 2036 (modulo 2**32: in 1900, too)
_TICKS = const(0x3FFFFFFF)  # milliseconds, less one: then the ticks of a 32-bit port begin anew
_SLACK = const(300000)  # milliseconds that clock and ticks may drift apart
_INFO = const(20)
_WARNING = const(30)


async def check(device):
    """Give a devid.DeviceIdentity a plausible time, or the latest known one: see ensure()."""
    earliest, latest = device._trust().window(device._record)
    await ensure(device, earliest, device._store().load_time(), latest)


def floor(known=0):
    """Return the Unix time (int) before which it cannot be. known: one more that is passed."""
    # MicroPython's sys.version ends in "... on 2025-09-13".
    words = sys.version.split(" on ")
    try:
        year, month, day = [int(part) for part in words[-1].split("-")]
        built = unix_time.from_date(year, month, day)
    except ValueError:
        built = 0
    return max(_RELEASE, built, known)


def plausible(known=0):
    """Return whether the clock may be right."""
    return unix_time.now() >= floor(known)


async def ensure(device, known, last, latest):
    """Have a plausible time: the clock's, else the network's, else the latest known one.

    device: the devid.DeviceIdentity, whose clock_assumed says afterwards whether that one stands
    in. known, latest: see set_from_network(). last: the time that was kept, Unix seconds: a clock
    before it is right where NTP knows no better. Raises TrustError where this port cannot set its
    clock.
    """
    server, log = device._settings.ntp, device._log
    if device._lead is not None and (_lead() - device._lead + _SLACK) & _TICKS > 2 * _SLACK:
        device.clock_assumed, device._lead = False, None  # the application has set it since
    good = plausible(known)
    if good and not (server and (device.clock_assumed or unix_time.now() < last)):
        return
    if server:
        try:
            await set_from_network(server, known, latest)
            log(_INFO, "clock: set to %s by NTP" % unix_time.text(unix_time.now()))
            device.clock_assumed, device._lead = False, _lead()
            return
        except NetworkError as error:
            log(_WARNING, "clock: " + error.message)
    if good:
        return
    before = unix_time.text(unix_time.now())
    earliest = max(floor(known), last)
    if not assume(earliest):
        raise TrustError(
            "the clock is not set: it says %s, and it is later than %s; set it (NTP) first"
            % (before, unix_time.text(earliest)),
            "clock",
        )
    device.clock_assumed, device._lead = True, _lead()
    log(
        _WARNING,
        "clock: not set (%s); the latest known time, %s, stands in"
        % (before, unix_time.text(earliest)),
    )


async def set_from_network(server, known=0, latest=None):
    """Set the clock by NTP.

    server: str. known: see floor(). latest: Unix seconds after which it cannot be, as no stored
    anchor would be valid any more; None: 30 years from the floor. NTP proves nothing, so a time
    outside of these is not taken. Raises NetworkError.
    """
    import ntptime

    ntptime.host = server
    earliest = floor(known)
    if latest is None:
        latest = earliest + _HORIZON
    said = "no time"
    for _ in range(_TRIES):
        try:
            seconds = ntptime.time() + unix_time.offset()
            if seconds & 0xFFFFFFFF == _NO_TIME:
                raise ValueError  # a "kiss of death", which tells no time (RFC 5905 7.4)
            said = unix_time.text(seconds)
            if earliest <= seconds <= latest:
                if assume(seconds):
                    return
                break
        except (OSError, ValueError, IndexError, OverflowError):  # or what came is no answer
            await asyncio.sleep(1)
    raise NetworkError(
        "%s gave no plausible time (%s); the clock says %s"
        % (server, said, unix_time.text(unix_time.now())),
        "clock",
    )


def assume(seconds):
    """Set the real-time clock to Unix seconds; return whether this port has one for them."""
    try:
        import machine

        clock = machine.RTC()
    except (ImportError, AttributeError):
        return False
    if unix_time.late(seconds):
        return False
    date = time.gmtime(seconds - unix_time.offset())
    clock.datetime((date[0], date[1], date[2], date[6] + 1, date[3], date[4], date[5], 0))
    return True


def _lead():
    """Return what the clock is before this port's ticks, milliseconds (int) modulo 2**30: the same
    until somebody sets the clock."""
    return (unix_time.now() * 1000 - time.ticks_ms()) & _TICKS
