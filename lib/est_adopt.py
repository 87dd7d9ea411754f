"""What a /cacerts answer changes in an est.Client (RFC 7030 4.1.3)."""

from est_errors import EstError, TrustError, at
from heap import forget
from micropython import const

_INFO = const(20)  # of logging
_WARNING = const(30)


async def adopt(client, received):
    """Trust what counts of the certificates (DER) of an answer; return that: Client.cacerts."""
    now = client._now()
    pin = None if client.anchors or client._implicit else client._fingerprint
    provisional = client._provisional
    try:
        anchors = client.anchors
        strangers = client.new_roots
        if pin:
            import est_pinned

            anchors = [await est_pinned.root(received, pin, now, client._limits)]
            strangers = False
            del est_pinned
            # Which engine of P-256 serves depends on the room: it is chosen anew.
            forget("est_pinned", "pki.p256")
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
