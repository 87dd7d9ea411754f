"""When a certificate is to be renewed, and how long to wait between attempts."""

import hashlib
import os

import unix_time
from est_errors import StorageError
from heap import forget
from micropython import const

_DAY = const(86400)


def renewal(certificate, share, chain=()):
    """Return (due, end) of a certificate (DER bytes): Unix seconds (int).

    chain: what stands above it (DER bytes each): it is of no use once one of those has ended.

    It is due when `share` (0 to 1) of its life is over, less up to a tenth of its life that is
    this device's own, so that a fleet that was enrolled at once does not come back at once.
    """
    parsed, start, end = _life(certificate, chain)
    life = end - start
    hasher = hashlib.sha256(_unique_id())
    hasher.update(parsed.subject)
    jitter = int.from_bytes(hasher.digest()[:4], "big") * (life // 10) >> 32
    return start + int(life * share) - jitter, end


def _life(certificate, chain):
    """Return (x509.Certificate, start, end) of a certificate: see renewal()."""
    from pki import x509

    parsed = x509.Certificate(certificate)
    end = parsed.not_after
    for raw in chain:
        end = min(end, x509.Certificate(raw).not_after)
    return parsed, parsed.not_before, end


def longest_wait(certificate, limits, chain=()):
    """Return the longest wait between two attempts to renew a certificate (DER bytes), seconds:
    4 % of its life, and never more than limits.RETRY_MAX, or than half of what is left: who comes
    back before it ends is in time. Once it has ended, half as much, and half of the time since.
    chain: see renewal().
    """
    _, start, end = _life(certificate, chain)
    longest = min((end - start) // 25, limits.RETRY_MAX)
    left = end - unix_time.now()
    if left < 0:
        left, longest = -left, longest // 2
    return max(1, min(longest, left // 2))


def backoff(tries, first, most):
    """Return seconds to wait (int): full jitter, up to `first`, doubled at each try, to `most`."""
    most = min(most, first << min(tries, 16))
    return 1 + int.from_bytes(os.urandom(4), "big") % most


def farthest(limits):
    """Return the longest wait (seconds) of all, the server's or ours."""
    return max(limits.MAX_RETRY_AFTER, limits.RETRY_MAX)


def plan(device):
    """Return (action, when) of what comes next for a devid.DeviceIdentity: see its status()."""
    from devid import pending

    try:
        waiting = pending.read(device._store())
        record = device._load()
    except StorageError:
        return "enroll", 0
    del pending
    forget("devid.")
    until = waiting.until if waiting else 0
    if until > unix_time.now() + farthest(device._limits):
        until = 0  # the clock was set back
    if record is None:
        return "approve" if device._trust().asks else "enroll", until
    refresh = refresh_due(device)
    due, _ = renewal(record.certificate, device._settings.renew_at, record.chain)
    if device._renewed <= unix_time.now():  # as above
        # A new one may be due already, where its CA ends: then it waits, too.
        wait = longest_wait(record.certificate, device._limits, record.chain)
        due = max(due, device._renewed + wait)
    renew = max(due, until)
    return ("refresh", refresh) if refresh < renew else ("renew", renew)


def refresh_due(device):
    """Return when a device asks /cacerts anew, Unix seconds; at most once a day in vain."""
    asked = device._asked if device._asked <= unix_time.now() else 0  # the clock was set back
    return max(device._trust().refresh_due(), asked and asked + _DAY)


def _unique_id():
    """Return the board's unique identifier (bytes), or nothing where the port has none."""
    try:
        from machine import unique_id

        return unique_id()
    except ImportError:
        return b""
