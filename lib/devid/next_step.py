"""Decides what an attempt to have a valid identity has to do; it leaves the heap before that."""

import unix_time
from est_errors import StorageError
from heap import let_go
from micropython import const

from devid import FOR_TRUST

_INFO = const(20)
_WARNING = const(30)


async def choose(device, forced):
    """Return a coroutine that does what is due now, or None; it returns what ensure() returns.

    device: the devid.DeviceIdentity. forced: whether a certificate is renewed before that is due.
    Raises StorageError, ConfigError.
    """
    store = device._store()
    if store.clean():
        device._log(_WARNING, "store: a slot was cut off or damaged; it is written anew")
        store.settle()
    del store
    try:
        device._load()
    except StorageError as error:
        device._log(_WARNING, "store: %s; enrolling anew" % error.message)
    from devid import clock

    await clock.check(device)
    del clock
    await let_go(*FOR_TRUST)
    if not device._record:
        device._store().check()  # before a one-time code is spent
        from devid import enrolment

        return enrolment.run(device)
    await let_go()
    from devid import schedule, session

    record, share = device._record, device._settings.renew_at
    due, end = schedule.renewal(record.certificate, share, record.chain)
    now = unix_time.now()
    if now <= end:  # else a new one has yet to serve
        session.forget_secret(device)
    if forced or now >= due:
        from devid import renewal

        return renewal.run(device, now > end, forced)
    device._log(_INFO, "identity: the stored certificate is valid")
    if now < schedule.refresh_due(device):
        return None
    from devid import refreshing

    return refreshing.if_possible(device)
