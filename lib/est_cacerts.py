"""The operation /cacerts of est.Client (RFC 7030 4.1); est_adopt decides what of it counts."""

from est_errors import ConfigError, EstError, ProtocolError, TrustError, at
from micropython import const

_INFO = const(20)  # of logging
_WARNING = const(30)


async def fetch(client, close=False):
    """Fetch the CA certificates; return them (DER, unordered, unchecked), or None where they are
    what the client has already. close: as in Client.cacerts."""
    if client._provisional and not client._fingerprint:
        raise TrustError("nobody has vouched for this server yet", "cacerts")
    received = await _bag(client)
    if client.verified and _known(client, received):
        if close:
            await client.close()
        client.ca_certificates = received
        client._log(_INFO, "cacerts: unchanged")
        return None
    await _end(client, close)
    # Down to where the code of the exchange was: here they would cut TLS's large piece in two.
    for i, raw in enumerate(received):
        received[i] = raw[:]
    return received


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
