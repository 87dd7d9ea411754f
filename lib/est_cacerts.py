"""The operation /cacerts of est.Client (RFC 7030 4.1): fetch, decide what counts, adopt it."""

import sys

from est_errors import ConfigError, EstError, ProtocolError, TrustError, at
from heap import forget
from micropython import const

_INFO = const(20)  # of logging
_WARNING = const(30)
_MODULES = const(29)  # that are loaded at once, at most


async def fetch(client, close=False):
    """Fetch the CA certificates and bring the client's anchors up to date: see Client.cacerts."""
    provisional = client._provisional
    if provisional and not client._fingerprint:
        raise TrustError("nobody has vouched for this server yet", "cacerts")
    _make_room_for_modules()
    received = await _bag(client)
    if client.verified and _known(client, received):
        if close:
            await client.close()
        client.ca_certificates = received
        client._log(_INFO, "cacerts: unchanged")
        return received
    await _end(client, close)
    # Down to where the code of the exchange was: here they would cut TLS's large piece in two.
    for i, raw in enumerate(received):
        received[i] = raw[:]
    now = client._now()
    pin = None if client.anchors or client._implicit else client._fingerprint
    try:
        anchors = client.anchors
        strangers = client._new_roots
        if pin:
            import est_pinned

            anchors = [await est_pinned.root(received, pin, now, client._limits)]
            strangers = False
            del est_pinned
            forget("est_pinned")
        elif strangers is None:
            strangers = not [raw for raw in received if raw in anchors]
        import est_anchors

        found = await est_anchors.updated(anchors, received, now, strangers, client._limits)
        if pin and provisional:
            client._vouched("pinned", "fingerprint")
        await _adopt(client, found, received)
    except EstError as error:
        raise at("cacerts", error)
    return client.ca_certificates


def _make_room_for_modules():
    """Let the table of the modules grow now: beside TLS it would, and stay there for good."""
    names = [str(i) for i in range(len(sys.modules), _MODULES)]
    for name in names:
        sys.modules[name] = None
    for name in names:
        del sys.modules[name]


def _known(client, received):
    """Return whether an answer is what the client has already: then nothing is to be checked."""
    known = client.anchors + client.authorities
    return len(known) == len(received) and not [raw for raw in received if raw not in known]


async def candidate(client):
    """Fetch the root (DER bytes) that a person may approve: see Client.candidate."""
    if not client._provisional:
        raise ConfigError("there is trust already: nothing is to be approved", "cacerts")
    received = await _bag(client)
    await _end(client, True)
    import est_pinned

    try:
        return await est_pinned.candidate(received, client._now(), client._limits)
    except EstError as error:
        raise at("cacerts", error)


async def _bag(client):
    """Return what /cacerts sends: DER certificates, unordered, nothing of it checked."""
    try:
        found = await client._certificates("GET", "cacerts")
    except EstError as error:
        await client.close()
        if client._provisional and getattr(error, "status", 0) == 401:
            error.message = (
                "a server that is not verified yet wants credentials (401): it gets none"
            )
        raise
    if not found:
        raise ProtocolError("the server sent no CA certificate", "cacerts")
    return found


async def _end(client, close):
    """End the connection, where that is wanted or has to be; else its code makes room.

    Not in the frame that waited for the answer: it holds all that the exchange had.
    """
    if close or client._provisional:  # 4.1.1: nothing else is ever sent on that one
        await client.close()
        client._received = client._text = None
    else:
        await client.park()


async def _adopt(client, database, received):
    """Trust what counts of an answer; changed anchors cost a new TLS session (4.1.3)."""
    counts = database.anchors + database.authorities
    counts = [raw for raw in received if raw in counts]
    for text in database.refused:
        client._log(_WARNING, "cacerts: " + text)
    if not counts:
        raise TrustError("none of the server's CA certificates leads to a trust anchor")
    changed = database.anchors != client.anchors
    client.verified = client.verified and (not changed or client._psk is not None)
    client.anchors = database.anchors
    client.authorities = database.authorities
    client.ca_certificates = counts
    client._log(_INFO, "cacerts: %d certificates, %d anchors" % (len(counts), len(client.anchors)))
    if changed:
        await client.close()
