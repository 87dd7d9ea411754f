"""The first enrolment: trust, key, request, certificate, one commit (RFC 7030 4.2.1)."""

import asyncio

from est_errors import EstError, RetryLater
from heap import forget, let_go
from micropython import const

from devid import ENROLLED, FOR_TRUST

_INFO = const(20)


async def run(device):
    """Enrol with the credential of the settings, and commit the identity.

    device: the devid.DeviceIdentity. What a reboot or the server interrupted goes on with the same
    key and request. Raises RetryLater where it is too early to ask again, and whatever est.Client
    raises; then the identity is as it was. Returns ENROLLED.
    """
    waiting = _waiting(device)
    if not waiting.request:
        _check(device._settings)
    client = await _client(device)
    async with client:
        try:
            # Where the request is there already, the heap is not as whole as at a first boot.
            await device._fetch_anchors(client, close=bool(waiting.request))
            await let_go(*FOR_TRUST)
            request = waiting.request
            if not request:
                request, waiting = await _request(device, client, waiting)
            certificate = await client.simpleenroll(request, close=True)
            device._log(_INFO, "simpleenroll: certificate received and checked")
        except EstError as error:
            await client.close()
            # What has verified the server need not be found again.
            _keep_trust(device, client)
            forget(*FOR_TRUST)
            _refused(device, waiting, error)
            raise
    forget(*FOR_TRUST)
    await asyncio.sleep(0)
    _keep_trust(device, client)
    await asyncio.sleep(0)
    from devid import session

    await session.commit(device, waiting.key, certificate, client.chain)
    return ENROLLED


async def _client(device):
    from devid import session

    return await session.client(device, None)


def _keep_trust(device, client):
    from devid import session

    session.keep_trust(device, client)


def _waiting(device):
    """Return the devid.pending.Pending of this enrolment; RetryLater where it is too early."""
    from devid import pending

    waiting = pending.load(device._store(), pending.wish(device._settings), device._log)
    left = pending.too_early(waiting, device._limits, device._log)
    if left:
        raise RetryLater(
            "not yet: the server is to be asked again in %d s" % left, 202, left, step="pending"
        )
    if waiting.key:
        device._log(_INFO, "pending: asking again with the same key")
    return waiting


def _refused(device, waiting, error):
    from devid import pending

    if waiting.key or isinstance(error, RetryLater):
        pending.refused(error, device._store(), waiting, device._limits)


def _check(settings):
    """Refuse what can be in no request before a server is asked. Raises ConfigError."""
    from devid import request

    try:
        request.parts_of(settings)
    finally:
        request.forgotten()


async def _request(device, client, waiting):
    """Make key and request; return the request, and the Pending that is on flash before it is
    sent."""
    from devid import request

    try:
        key, made = await request.make(device, client, waiting.key)
    finally:
        request.forgotten()
        del request
    forget(*FOR_TRUST)
    await asyncio.sleep(0)
    from devid import pending

    waiting = pending.keep(device._store(), waiting, key, made)
    del pending
    await let_go(*FOR_TRUST)
    return made, waiting
