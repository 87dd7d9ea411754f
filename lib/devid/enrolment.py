"""The first enrolment: trust, key, request, certificate, one commit (RFC 7030 4.2.1)."""

from est_errors import EstError, RetryLater
from heap import forget
from micropython import const

from devid import FOR_NAMES, FOR_REQUEST, FOR_TRUST

_INFO = const(20)


async def run(device):
    """Enrol with the credential of the settings, and commit the identity.

    device: the devid.DeviceIdentity. What a reboot or the server interrupted goes on with the same
    key and request. Raises RetryLater where it is too early to ask again, and whatever est.Client
    raises; then the identity is as it was.
    """
    waiting = _waiting(device)
    client = device._client(None)
    async with client:
        try:
            # Where the request is there already, the heap is not as whole as at a first boot.
            await device._fetch_anchors(client, close=bool(waiting.request))
            forget(*FOR_TRUST)
            request = waiting.request
            if not request:
                key, request = await _request(device, client, waiting.key)
                forget(*FOR_REQUEST)
                waiting = _keep(device, waiting, key, request)
                forget(*FOR_TRUST)
            certificate = await client.simpleenroll(request, close=True)
            device._log(_INFO, "simpleenroll: certificate received and checked")
        except EstError as error:
            await client.close()
            forget(*FOR_NAMES)
            forget(*FOR_REQUEST)
            # What has verified the server need not be found again.
            device._keep_trust(client)
            forget(*FOR_TRUST)
            _refused(device, waiting, error)
            raise
    forget(*FOR_TRUST)
    device._keep_trust(client)
    device._commit(waiting.key, certificate, client.chain)


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


def _keep(device, waiting, key, request):
    from devid import pending

    return pending.keep(device._store(), waiting, key, request)


def _refused(device, waiting, error):
    from devid import pending

    if waiting.key or isinstance(error, RetryLater):
        pending.refused(error, device._store(), waiting, device._limits)


async def _request(device, client, private):
    """Make a key, unless there is one already (private, SEC 1 DER); return it with the request
    (DER) that the server asks for."""
    settings = device._settings
    attributes = await client.csrattrs() if settings.csrattrs else None
    await client.park()
    forget(*FOR_TRUST)
    from pki import csr

    linked = None
    if attributes or settings.link or client.tls_unique:
        from devid import wishes

        parts, linked = await wishes.parts(client, settings, attributes, device._log)
    else:
        parts = csr.parts(
            settings.subject, settings.san, settings.key_usage, settings.ext_key_usage
        )
    attributes = None
    forget(*FOR_NAMES)
    key = await device._key(private)
    request = linked(key) if linked else await csr.signed(key, *parts)
    return await key.private_bytes(), request
