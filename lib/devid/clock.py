"""A plausible time before the first certificate is checked.

A board without a battery starts in 2000, 2021 or 1970, and then every certificate is "not valid
yet". It cannot be earlier than the build of this library or of the firmware, than the last time
that was kept on flash, or than the beginning of a stored trust anchor: a clock before these is
not set. Verification is never switched off because of it.
"""

import asyncio
import sys

import unix_time
from est_errors import NetworkError, TrustError
from micropython import const

_RELEASE = const(1764547200)  # 2025-12-01: this library is not older
_HORIZON = const(946080000)  # 30 years: nothing that is made now will still run then
_TRIES = const(3)
_INFO = const(20)
_WARNING = const(30)


async def check(device):
    """Give a devid.DeviceIdentity a plausible time, or the latest known one: see ensure()."""
    earliest, latest = device._trust().window()
    known = max(earliest, device._store().load_time())
    device.clock_assumed = await ensure(
        device._settings.ntp, known, latest, device._log, device.clock_assumed
    )


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


async def ensure(server, known, latest, log, assumed=False):
    """Have a plausible time: the clock's, else the network's, else the latest known one.

    server: str, or None where NTP is not wanted; known, latest: see set_from_network(); log: see
    est; assumed: whether the latest known time stands in already. Returns whether it stands in
    now, and raises TrustError where this port cannot set its clock.
    """
    good = plausible(known)
    if good and not (assumed and server):
        return False
    if server:
        try:
            await set_from_network(server, known, latest)
            log(_INFO, "clock: set to %s by NTP" % unix_time.text(unix_time.now()))
            return False
        except NetworkError as error:
            log(_WARNING, "clock: " + error.message)
    if good:
        return True
    before = unix_time.text(unix_time.now())
    earliest = floor(known)
    if not assume(earliest):
        raise TrustError(
            "the clock is not set: it says %s, and it is later than %s; set it (NTP) before "
            "certificates are checked" % (before, unix_time.text(earliest)),
            "clock",
        )
    log(
        _WARNING,
        "clock: not set (%s); the latest known time, %s, stands in"
        % (before, unix_time.text(earliest)),
    )
    return True


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
        except OSError:
            await asyncio.sleep(1)
            continue
        if earliest <= seconds <= latest:
            if not assume(seconds):
                break
            return
        said = unix_time.text(seconds)
    raise NetworkError(
        "%s gave no plausible time (%s); the clock says %s"
        % (server, said, unix_time.text(unix_time.now())),
        "clock",
    )


def assume(seconds):
    """Set the real-time clock to Unix seconds; return whether this port has one to set."""
    try:
        import machine

        clock = machine.RTC()
    except (ImportError, AttributeError):
        return False
    import time

    date = time.gmtime(seconds - unix_time.offset())
    clock.datetime((date[0], date[1], date[2], date[6] + 1, date[3], date[4], date[5], 0))
    return True
