"""Opens connections: the one file that touches `tls` and sockets (RFC 7030 3.3).

A TLS connection is verified, always: chain, validity and host name, by the firmware's TLS stack,
and then by `authorise`. The one exception is `provisional=True` (RFC 7030 4.1.1): nothing is
verified then, and it refuses a client certificate; only `est` asks for it, to fetch /cacerts whose
fingerprint it then compares. A plain connection (connect_plain) is for what carries a signature of
its own: CRLs. Every step has a deadline. TLS errors come out as sentences.
"""

import asyncio
import gc

import tls
import tls_turns
from est_errors import (
    DeadlineError,
    EstError,
    KeyFault,
    NetworkError,
    ProtocolError,
    TrustError,
)
from micropython import const

_IPPROTO_TCP = const(6)  # MicroPython's socket module does not name these two
_TCP_NODELAY = const(1)
_FATAL_ERROR = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR


async def connect(
    host,
    port,
    limits,
    anchors=(),
    client=None,
    provisional=False,
    authorise=None,
    server_name=None,
    psk=None,
):
    """Open TCP and return a Stream; its handshake runs in verified(), or in the first write.

    host: str, DNS name or IP address; port: int; limits: see est_limits. anchors: DER
    certificates (bytes) that a server chain may end in. client: None, or (certificate, key,
    intermediates) in DER: what to send as client certificate, its SEC 1 or PKCS #8 key, and a
    list. authorise: function of the server's verified chain (a list of DER bytes, leaf first,
    anchor last) that raises an EstError where it is not the right server; it runs in the
    handshake, before anything is sent. server_name: str, the name that TLS compares, where it is
    not the host. psk: None, or (identity, key), str and bytes, in place of all certificates: its
    knowledge is what both prove. Raises ConfigError where this port has no PSK, NetworkError,
    DeadlineError, KeyFault and TrustError.
    """
    gc.collect()  # the handshake needs large pieces of memory
    if psk:
        import est_psk

        context = est_psk.context(psk)
    else:
        context = _context(anchors, client, provisional)
    peer = _Peer(authorise)
    peer.psk = psk is not None
    if not provisional and not psk:
        context.verify_callback = peer.seen
        peer.context = context
    wrapper = _NoDelay(context)
    opening = asyncio.open_connection(host, port, ssl=wrapper, server_hostname=server_name or host)
    try:
        reader, writer = await asyncio.wait_for(opening, limits.CONNECT_TIMEOUT)
    except asyncio.TimeoutError:
        wrapper.close()
        raise _late(host, port, limits)
    except asyncio.CancelledError:
        wrapper.close()
        raise
    except (OSError, ValueError) as error:
        wrapper.close()
        raise peer.error or _explained(error, host, port, peer.psk)
    return Stream(reader, writer, host, port, limits, peer, wrapper.tls)


async def connect_plain(host, port, limits):
    """Open TCP without TLS and return a stream with readinto(), write() and close().

    Only for what carries its own signature. Raises NetworkError and DeadlineError.
    """
    opening = asyncio.open_connection(host, port)
    try:
        reader, writer = await asyncio.wait_for(opening, limits.CONNECT_TIMEOUT)
    except asyncio.TimeoutError:
        raise _late(host, port, limits)
    except OSError as error:
        raise _explained(error, host, port)
    return Stream(reader, writer, host, port, limits, _Peer(None), None)


def _late(host, port, limits):
    return DeadlineError(
        "no connection to %s:%d within %d s" % (host, port, limits.CONNECT_TIMEOUT)
    )


def resumed(parked, limits):
    """Return the Stream of which Stream.parked() returned this; the limits are connect()'s."""
    reader, writer, host, port, tls_socket, psk = parked
    peer = _Peer(None)
    peer.psk = psk
    stream = Stream(reader, writer, host, port, limits, peer, tls_socket)
    stream._timeout = limits.IO_TIMEOUT
    return stream


def client_context(anchors, client):
    """Return a verifying tls.SSLContext for the application: see connect() for the arguments."""
    return _context(anchors, client, False)


def sends_chain(certificate):
    """Return whether this port sends intermediates with a client certificate (DER bytes)."""
    from pki import pem

    try:
        tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).load_verify_locations(pem.encode([certificate]))
    except (ValueError, OSError):
        return False
    return True


def _context(anchors, client, provisional):
    """Return a tls.SSLContext that verifies the server, or a provisional one that cannot."""
    if provisional:
        if client or anchors:
            raise TrustError("a provisional connection carries no certificate (RFC 7030 4.1.1)")
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_NONE
        return context
    if not anchors:
        raise TrustError("no trust anchors: give an anchors file or a fingerprint")
    if not client:
        return _verifying(anchors)
    certificate, key, intermediates = client
    if intermediates:
        # More than one certificate goes in as PEM only, which boards take from MicroPython 1.29
        # on: before, they send the leaf alone. What refused once is of no use: hence the return.
        from pki import pem

        try:
            return _with_client(anchors, pem.encode([certificate] + list(intermediates)), key)
        except KeyFault:
            pass
    return _with_client(anchors, certificate, key)


def _verifying(anchors):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    for anchor in anchors:
        try:
            # One DER a call: of several only the first counts.
            context.load_verify_locations(anchor)
        except (ValueError, OSError):
            raise TrustError(
                "the TLS stack does not take a trust anchor: it is no DER certificate, or has a "
                "critical extension that this firmware does not know"
            )
    return context


def _with_client(anchors, certificates, key):
    context = _verifying(anchors)
    try:
        context.load_cert_chain(certificates, key)
    except (ValueError, OSError, TypeError):
        raise KeyFault("the TLS stack does not take the client certificate and key")
    return context


class _Peer:
    """Looks at the server's chain while the handshake verifies it."""

    def __init__(self, authorise):
        self._authorise = authorise
        self._chain = []
        self.context = None  # the tls.SSLContext that calls seen()
        self.psk = False  # whether there is a pre-shared key in place of certificates
        self.chain = None  # the verified chain, leaf first, once the handshake has shown it
        self.error = None  # why the server was refused: an EstError

    def seen(self, der, depth):
        """Be called by the TLS stack for each certificate, leaf last; not 0 ends the handshake."""
        try:
            self._chain.insert(0, bytes(der))  # the memory is the TLS stack's
            if depth == 0:
                self.chain = self._chain
                if self._authorise:
                    self._authorise(self.chain)
        except EstError as error:
            self.error = error  # an exception must not pass through the TLS stack
        except MemoryError:
            self.error = EstError("not enough memory to check the server's certificate")
        # Negative: a positive number would be taken for octets read or written.
        return _FATAL_ERROR if self.error else 0

    def leave(self):
        """Let go of everything: MicroPython's poll object holds on to the last TLS connection."""
        if self.context:
            self.context.verify_callback = None
        self._authorise = self.context = None


class _NoDelay:
    """Stands in for the context in asyncio.open_connection, to reach the raw socket.

    Without TCP_NODELAY a handshake waits for delayed acknowledgements. CPython's asyncio sets the
    option itself and never calls wrap_socket; it finds everything else in the context.
    """

    def __init__(self, context):
        self._context = context
        self._socket = None
        self.tls = None  # the tls_turns.Turns, where wrap_socket made one

    def __getattr__(self, name):
        return getattr(self._context, name)

    def wrap_socket(self, sock, **options):
        self._socket = sock
        try:
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except OSError:
            pass  # a port without it is slower, not wrong
        self.tls = turns = tls_turns.Turns(sock)
        turns.tls = self._context.wrap_socket(turns, **options)
        return turns.tls

    def close(self):
        """Close the raw socket of a connection that did not come about."""
        if self._socket:
            self._socket.close()


class Stream:
    """A connection with a deadline on every step; made by connect() and connect_plain()."""

    def __init__(self, reader, writer, host, port, limits, peer, tls_socket):
        self._reader = reader
        self._writer = writer
        self._host = host
        self._port = port
        self._limits = limits
        self._peer = peer
        self._tls_socket = tls_socket
        self._octet = bytearray(1)
        self._ended = False
        self._timeout = limits.HANDSHAKE_TIMEOUT  # the first write carries the handshake

    def parked(self):
        """Return what resumed() makes this Stream of again, nothing of it from this module."""
        return (
            self._reader,
            self._writer,
            self._host,
            self._port,
            self._tls_socket,
            self._peer.psk,
        )

    async def verified(self):
        """Drive the handshake until the server has been verified and authorised.

        Nothing of the application is sent by it. Returns the server's chain: a list of DER
        (bytes), leaf first, anchor last. Raises TrustError, NetworkError and DeadlineError.
        """
        if self._peer.chain is None:
            await self._bounded(self._handshake())
        if self._peer.error:
            raise self._peer.error
        self._peer.leave()
        return self._peer.chain

    def tls_unique(self):
        """Return the tls-unique channel binding (bytes; RFC 5929), or None where there is none.

        MicroPython's `tls` has none, CPython's shim where the connection speaks TLS 1.2.
        """
        found = getattr(tls, "tls_unique", None)
        return found and found(self._writer)

    async def _handshake(self):
        # asyncio makes the handshake in the first read or write. A first read, which finds
        # nothing yet, sends our hello; the next ones wait for the server's messages.
        octet = self._octet
        count = self._tls_socket.tls.readinto(octet)
        while self._peer.chain is None and count is None:
            count = await self._reader.readinto(octet)
        if count == 0:
            raise NetworkError("the server closed the connection in the handshake")
        if count:
            raise ProtocolError("the server sent data before it was asked anything")

    async def readinto(self, view):
        """Receive up to len(view) bytes into view; return the count, 0 when the peer closed."""
        if self._ended:
            return 0
        sock = self._tls_socket and self._tls_socket.tls
        # asyncio gives None where a TLS record carried no application data.
        count = None
        while count is None:
            count = await self._bounded(self._reader.readinto(view[:1] if sock else view))
        # MicroPython's readinto() goes on until the buffer is full, and where it then meets the
        # peer's close_notify that is forgotten: the next read waits for a server that waits for
        # us to close. One octet at a time, the end is seen.
        octet = self._octet
        while sock and 0 < count < len(view):
            try:
                more = sock.readinto(octet)
            except OSError:
                break  # what came before it counts; the next read meets the error again
            if not more:
                self._ended = more == 0
                break
            view[count] = octet[0]
            count += 1
        return count

    async def write(self, data):
        """Send data (bytes), all of it."""
        await self._bounded(self._send(data))
        self._timeout = self._limits.IO_TIMEOUT

    async def close(self):
        """Close the connection; an error while closing changes nothing any more."""
        self._peer.leave()
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 2)
        except (asyncio.TimeoutError, OSError, ValueError):
            pass
        if self._tls_socket:
            self._tls_socket.ioctl(4, 0)  # mbedTLS leaves it open where the handshake failed

    async def _send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def _bounded(self, step):
        try:
            return await asyncio.wait_for(step, self._timeout)
        except asyncio.TimeoutError:
            raise DeadlineError(
                "%s:%d did not answer within %d s" % (self._host, self._port, self._timeout)
            )
        except (OSError, ValueError) as error:
            raise self._peer.error or _explained(error, self._host, self._port, self._peer.psk)


def _explained(error, host, port, psk=False):
    import tls_errors

    return tls_errors.explain(error, host, port, psk)
