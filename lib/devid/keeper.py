"""The background task that keeps an identity current: see DeviceIdentity.keep_renewed."""

import unix_time
from est_errors import EstError
from heap import forget
from micropython import const

from devid import FOR_TRUST

_WARNING = const(30)
_PIECE = const(3600)  # seconds slept at a time: the clock may be set meanwhile


async def run(device):
    """Keep a devid.DeviceIdentity current, for ever."""
    tries = 0
    when = seen = planned = None
    while True:
        now = unix_time.now()
        if when is None:
            try:
                when, planned = _next(device), device._record
                tries = 0
            except (EstError, MemoryError) as error:
                # The attempt says what is the matter; where it does not, a wait has to come.
                when = _later(device, error, tries) if tries else now
                tries += 1
        if now < when and not (seen and now + _PIECE < seen):
            seen = now
            await unix_time.sleep(min(when - now, _PIECE))
            if device._record is not planned:
                when = None  # somebody else has renewed it meanwhile
            continue
        seen = now  # or the clock was set back: then whether it is plausible is looked at first
        try:
            await device._once()
            when = None
        except (EstError, MemoryError) as error:
            device._log(_WARNING, "%s" % error)
            when = _later(device, error, tries)
            tries += 1


def _next(device):
    from devid import schedule

    try:
        return schedule.plan(device)[1]
    finally:
        del schedule
        forget(*FOR_TRUST)


def _later(device, error, tries):
    limits = device._limits
    try:
        from devid import schedule
    except MemoryError:
        return unix_time.now() + limits.RETRY_FIRST

    wait = getattr(error, "retry_after", None)
    # Without a valid certificate an attempt is never further away than half the longest wait.
    wait = wait or schedule.backoff(tries, limits.RETRY_FIRST, (limits.RETRY_MAX + 1) // 2)
    del schedule
    forget(*FOR_TRUST)
    return unix_time.now() + wait
