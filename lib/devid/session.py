"""What each operation with the EST server begins and ends with; not in the heap in between."""

import asyncio

import unix_time
from est_errors import EstError
from heap import forget, let_go
from micropython import const

from devid import FOR_TRUST

_INFO = const(20)
_WARNING = const(30)
_ERROR = const(40)
_DAY = const(86400)


async def client(device, record):
    """Return an est.Client with the identity of a Record, or else the settings' credential.

    device: the devid.DeviceIdentity. Raises ConfigError.
    """
    settings = device._settings
    arguments = device._trust().arguments()
    if record is None or settings.keep_secret:
        arguments["user"] = settings.user
        arguments["password"] = settings.password
        arguments["token"] = settings.token
        arguments["at_once"] = settings.at_once
    if record:
        who = record.certificate, record.key, record.chain
    else:
        arguments["psk"] = settings.psk
        who = settings.certificate, settings.key, settings.intermediates
    arguments["certificate"], arguments["key"], arguments["intermediates"] = who
    await let_go(*FOR_TRUST)
    await asyncio.sleep(0)
    import est

    made = est.Client(
        settings.host,
        settings.port,
        settings.label,
        limits=device._limits,
        log=device._log,
        original_spec=settings.original_spec,
        redirects=settings.redirects,
        **arguments,
    )
    await asyncio.sleep(0)
    return made


def keep_trust(device, client):
    """Keep the anchors of a client, which have verified the server, and the time.

    Returns whether they changed; see devid.trust.TrustStores.keep(). Raises StorageError.
    """
    if not client.verified:
        return False
    # The server's certificate is valid now, by a clock that was set: it may set back, too, what a
    # wrong one had kept.
    now = unix_time.now()
    time = None
    if not device.clock_assumed and abs(now - device._store().load_time()) > _DAY:
        time = now
    device._asked = now
    changed = device._trust().keep(client, time)
    if changed:
        device._log(_INFO, "store: %d trust anchors committed" % len(client.anchors))
        _changed(device)
    return changed


async def commit(device, private, certificate, chain):
    """Make this the identity; what waited, and the one-time secret, are over with it.

    private: SEC 1 DER, certificate: DER, bytes-like; chain: list of DER. Raises StorageError; then
    nothing has changed.
    """
    from devid import record, store

    found = record.Record(private, bytes(certificate), chain)
    kept = device._store()
    try:
        kept.commit({store.IDENTITY: record.parts(found), store.PENDING: None})
    except EstError as error:
        error.step = "store"
        raise
    device._record = found
    device._renewed = unix_time.now()
    try:
        await asyncio.sleep(0)
    finally:  # whoever gives up waiting now has it all the same, and the old key goes
        try:
            kept.settle()
        except (EstError, MemoryError) as error:  # it stands in one slot
            device._log(_WARNING, "store: the identity is in one slot of two: %s" % error)
        device._log(_INFO, "store: identity committed")
        forget_secret(device)
        _changed(device)
    await asyncio.sleep(0)


def forget_secret(device):
    """Erase the one-time secret from the settings: it has served. What fails is logged."""
    settings = device._settings
    secret = settings.password or settings.token or settings.psk
    if secret and settings.path and not settings.keep_secret:
        try:
            forget(*FOR_TRUST)  # what made the identity has served, too
            from devid import one_time

            device._error = one_time.erase(settings, device._log)
        except MemoryError:  # the next attempt does it
            device._error = "the one-time secret is there still: not enough memory"
            device._log(_ERROR, device._error)


def _changed(device):
    if device.on_change and device._record:
        try:
            device.on_change(device)
        except Exception as error:  # the application's: it must not stop the renewals
            device._log(_ERROR, "on_change: %s" % repr(error))
