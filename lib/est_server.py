"""Opens est.Client's connection, to the right server (RFC 7030 3.3.1 and 3.6) or provisionally."""

import asyncio
import gc

import tls_peer
from est_errors import EstError, TrustError
from heap import forget
from micropython import const

_INFO = const(20)  # of logging
# Loaded by est_revocation, and by nothing else; in this order, for an import within an import
# takes C stack.
_FOR_CRLS = const(
    ("pki.signature", "pki.der_stream", "pki.distribution_point", "pki.crl", "pki.revocation")
)


async def connect(client):
    """Return a bounded_stream.Stream on which the server has proved to be the right one.

    With a pre-shared key both prove it in the handshake, which the first write drives (3.3.3).
    Or, while the client has no anchor, a provisional one for /cacerts. Raises TrustError,
    NetworkError, DeadlineError, KeyFault.
    """
    if client._psk or client._provisional:
        return await _open(client, None)
    server = _Server(client)
    try:
        return await _open(client, server)
    except TrustError as error:
        if server.name is None:
            raise _explained(client, error)
    # RFC 7030 3.6.1: id-kp-cmcRA stands for the name. TLS stacks compare a name all the same, so
    # they are given one of the certificate's own; authorise() looks at the certificate again.
    return await _open(client, server)


class _Server:
    """Judges a server's verified chain."""

    def __init__(self, client):
        self._client = client
        self.anchors = _tls_anchors(client)
        self.name = None  # what TLS is to compare instead of the host
        self.store = self.how = None

    def authorise(self, chain):
        """Check that a verified chain (DER, leaf first) is this server's (3.6.1, 3.6.2).

        Runs in the handshake, before anything is sent, a client certificate included.
        """
        from pki import built_path, server_name, x509

        client = self._client
        self.store = None  # of a first attempt nothing may remain
        certificates = [x509.Certificate(raw) for raw in chain]
        if chain[-1] not in self.anchors:
            return  # TLS itself refuses it, and knows the reason; _check() makes sure
        built_path.check(certificates, client._now(), server_name.SERVER_AUTH, client._limits)
        self.store = "explicit" if chain[-1] in client.anchors else "implicit"
        self.how = "name"
        leaf = certificates[0]
        try:
            server_name.check(leaf, client._host)
        except TrustError:
            # 3.6.2: for an implicit anchor the name alone counts.
            if self.store == "implicit":
                raise
            from pki import registration_authority

            if not registration_authority.is_one(leaf):
                raise
            self.name = registration_authority.own_name(leaf)
            self.how = "id-kp-cmcRA"


async def _open(client, server):
    """Open one connection; server: the _Server that judges it; None: PSK, or provisional."""
    client._log(
        _INFO,
        "connecting to %s:%d%s"
        % (
            client._host,
            client._port,
            ", unverified, for /cacerts only" if client._provisional else "",
        ),
    )
    gc.collect()  # TLS needs large pieces of the heap: they come before small ones
    await asyncio.sleep(0)  # and here, and below, other tasks have a turn
    context = _context(client, server)
    await asyncio.sleep(0)
    if server:
        # Loaded before the handshake, in which authorise() runs.
        from pki import built_path, server_name, x509
    import tls_stream

    stream = await tls_stream.connect(
        client._host,
        client._port,
        client._limits,
        context,
        server and server.authorise,
        server and server.name,
        client._psk is not None,
    )
    del tls_stream
    forget("tls_stream")
    client.handshakes += 1
    if server:
        try:
            await _check(client, server, await stream.verified())
            del built_path, server_name, x509  # what comes next takes room, too
            forget("pki.")
        except (EstError, MemoryError, asyncio.CancelledError):
            await stream.close()
            raise
    client.tls_unique = tls_peer.tls_unique(stream)
    return stream


def _context(client, server):
    """Return the tls.SSLContext for a connection; what makes it leaves the heap."""
    try:
        if client._psk:
            import est_psk

            return est_psk.context(client._psk)
        import tls_context

        if server:
            return tls_context.verifying(server.anchors, client._identity)
        return tls_context.provisional()
    finally:
        est_psk = tls_context = None
        forget("est_psk", "tls_context", "pki.")


async def _check(client, server, chain):
    """Say what authorised the server, and look its chain up in CRLs where that is wanted."""
    if server.store is None:
        raise TrustError("the server does not lead to a trust anchor of this device")
    client._vouched(server.store, server.how)
    if client._revocation:
        for name in _FOR_CRLS:
            __import__(name)
        import est_revocation

        await est_revocation.look_up(client, chain)
        forget("est_revocation", *_FOR_CRLS)
    client.verified = True


def _tls_anchors(client):
    """Return the anchors for TLS: explicit, and implicit only where those may be used."""
    if client.anchors and not client.keep_implicit:
        return client.anchors
    return client.anchors + [raw for raw in client._implicit if raw not in client.anchors]


def _explained(client, error):
    """Add to a TLS failure what may be the reason: another CA than the EST CA's."""
    if client._implicit and client.anchors and not client.keep_implicit:
        error.message += (
            "; the implicit anchors are not used any more: for a TLS certificate of another CA "
            "than the EST CA set keep_implicit, or give that CA as an anchor"
        )
    return error
