"""Renewal and rekeying (RFC 7030 4.2.2), authenticated with the certificate that is renewed.

Whatever fails leaves the identity that works as it is; the new one takes its place only after a
TLS handshake with the EST server has proved it.
"""

import asyncio

import unix_time
from est_errors import EstError, NetworkError, ProtocolError, RetryLater, ServerError
from heap import forget, let_go
from micropython import const

from devid import FOR_TRUST, RENEWED, UNCHANGED

_INFO = const(20)
_WARNING = const(30)
# Failed proofs after which a new certificate is given up: of any kind; and where the connection
# fails, which is how some servers refuse one, but as a rule says nothing about it.
_PROOFS = const(3)
_LOST = const(12)


async def run(device, expired, forced):
    """Renew the certificate of a devid.DeviceIdentity; return RENEWED or UNCHANGED.

    expired: whether it is valid no more: then the settings' credential is tried, too, and the
    error raised. forced: the same, and it does not matter whether it is too early to ask again.
    Else an error is logged and kept, with the time of the next attempt.
    """
    from devid import pending, schedule

    settings, store = device._settings, device._store()
    again = expired and _credential(settings)
    if again and pending.load(store, pending.wish(settings), device._log).until:
        return await _anew(device)  # the server said "not yet" to that
    waiting = pending.load(store, pending.wish(settings, device._record.certificate), device._log)
    left = 0 if forced else pending.too_early(waiting, device._limits, device._log)
    new, now = waiting.certificate, unix_time.now()
    if new and now > schedule.renewal(new, 1, waiting.chain)[1]:
        waiting = pending.nothing(waiting.wish)  # it has ended before it could be proved
    del new, pending, schedule, store
    await let_go(*FOR_TRUST)
    if left:
        if not expired:
            return UNCHANGED
        raise RetryLater(
            "not yet: the server is to be asked again in %d s" % left, 202, left, step="pending"
        )
    try:
        await _renew(device, waiting, expired)
        return RENEWED
    except EstError as error:
        failure = error
    except MemoryError:
        failure = EstError("not enough memory", "renew")
    forget("est", *FOR_TRUST)
    if expired and _credential(settings) and not isinstance(failure, RetryLater):
        device._log(_WARNING, "renewal: %s; enrolling anew" % failure)
        return await _anew(device)
    _failed(device, failure)
    if expired or forced:
        raise failure
    device._error = str(device._with_clock(failure))
    device._log(_WARNING, "renewal: %s; the identity stays as it is" % device._error)
    return UNCHANGED


def _credential(settings):
    """Return whether the settings have something to enrol with, beside the identity."""
    return settings.password or settings.token or settings.psk or settings.certificate


async def _anew(device):
    from devid import enrolment

    await enrolment.run(device)
    return RENEWED


async def _renew(device, waiting, expired):
    if not waiting.certificate:
        waiting = await _ask(device, waiting)
    if not expired:
        await _prove(device, waiting)
    from devid import session

    await asyncio.sleep(0)
    await session.commit(device, waiting.key, waiting.certificate, waiting.chain)


async def _ask(device, waiting):
    """Get a new certificate; return the Pending that holds it, kept on flash already."""
    record = device._record
    client = await _client(device, record)
    async with client:
        try:
            await device._fetch_anchors(client)
            await let_go(*FOR_TRUST)
            made = waiting.request
            if not made:
                made, waiting = await _request(device, client, waiting, record)
            certificate = await client.simplereenroll(made, close=True)
            device._log(_INFO, "simplereenroll: certificate received and checked")
        except EstError as error:
            await client.close()
            _keep_trust(device, client)
            waiting = None
            raise error
    forget(*FOR_TRUST)
    await asyncio.sleep(0)
    _keep_trust(device, client)
    await asyncio.sleep(0)
    # The request has served; without it there is more room for what comes.
    return await _keep(device, waiting, waiting.key, b"", bytes(certificate), client.chain)


async def _client(device, record):
    from devid import session

    return await session.client(device, record)


def _keep_trust(device, client):
    from devid import session

    session.keep_trust(device, client)


async def _request(device, client, waiting, record):
    """Make key and request; return the request, and the Pending that is on flash before it is
    sent."""
    from devid import request

    try:
        key, made = await request.make(device, client, waiting.key, record)
    finally:
        request.forgotten()
        del request
    await asyncio.sleep(0)
    return made, await _keep(device, waiting, key, made)


async def _prove(device, waiting):
    """Have the server take the new certificate in TLS before the old one is given up."""
    from devid.record import Record

    client = await _client(device, Record(waiting.key, waiting.certificate, waiting.chain))
    async with client:
        try:
            # In TLS 1.3 a server refuses a client's certificate only after the handshake.
            await client._operation("GET", "cacerts", read=_past)
        except (ServerError, ProtocolError):
            pass  # it answered, so TLS stands
    forget(*FOR_TRUST)
    device._log(_INFO, "renewal: the server takes the new certificate")


async def _past(response, limits, text):
    await response.discard(limits.MAX_BODY)


async def _keep(device, waiting, *what):
    from devid import pending

    waiting = pending.keep(device._store(), waiting, *what)
    await let_go(*FOR_TRUST)
    return waiting


def _failed(device, failure):
    """Keep the time of the next attempt; a certificate that cannot be proved is given up."""
    from devid import pending, schedule

    store, record, limits = device._store(), device._record, device._limits
    wanted = pending.wish(device._settings, record.certificate)
    waiting = pending.load(store, wanted, device._log)
    most = _LOST if isinstance(failure, NetworkError) else _PROOFS
    if waiting.certificate and waiting.tries >= most:
        waiting = pending.nothing(wanted)
    longest = schedule.longest_wait(record.certificate, limits, record.chain)
    pending.refused(failure, store, waiting, limits, longest)
