"""Fetching the CA certificates anew (RFC 7030 4.1.2), beside an identity that stays."""

import unix_time
from est_errors import EstError
from heap import forget
from micropython import const

from devid import FOR_TRUST, REFRESHED, UNCHANGED

_WARNING = const(30)


async def run(device):
    """Refresh the trust anchors of a devid.DeviceIdentity: see its refresh()."""
    from devid import session

    client = await session.client(device, device._load())
    del session
    forget(*FOR_TRUST)
    async with client:
        await device._fetch_anchors(client, close=True)
        forget(*FOR_TRUST)
        if not client.verified:
            await client.connect()  # the new session that changed anchors want
    forget(*FOR_TRUST)
    from devid import session

    return session.keep_trust(device, client)


async def if_possible(device):
    """The same; a failure is logged, for the identity is good without. Returns REFRESHED or
    UNCHANGED."""
    device._asked = unix_time.now()
    try:
        return REFRESHED if await run(device) else UNCHANGED
    except EstError as error:
        device._error = str(device._with_clock(error))
    except MemoryError:
        device._error = "not enough memory to refresh the trust anchors"
    device._log(_WARNING, "trust: %s; the anchors stay as they are" % device._error)
    return UNCHANGED
