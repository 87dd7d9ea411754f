"""Opens a TLS connection: the one file that touches `tls` and sockets (RFC 7030 3.3).

A connection is verified, always: chain, validity and host name, by the firmware's TLS stack. The
one exception is `provisional=True` (RFC 7030 4.1.1): nothing is verified then, and it refuses a
client certificate; only `est` asks for it, to fetch /cacerts whose fingerprint it then compares.
Every step has a deadline. TLS errors come out as sentences.
"""

import asyncio
import gc

import tls
from est_errors import DeadlineError, EstError, KeyFault, TrustError
from micropython import const

_IPPROTO_TCP = const(6)  # MicroPython's socket module does not name these two
_TCP_NODELAY = const(1)


async def connect(
    host, port, limits, anchors=(), certificate=None, key=None, provisional=False, authorise=None
):
    """Open TCP and return a TlsStream; the handshake runs in its first write.

    host: str, DNS name or IP address; port: int; limits: see est_limits. anchors: DER
    certificates (bytes) that a server chain may end in. certificate, key: DER (bytes) of the
    client certificate and its SEC 1 or PKCS #8 key, or None. authorise: function of the server's
    certificate (DER bytes) that raises an EstError where it is not the right server; it runs in
    the handshake, before anything is sent. Raises NetworkError, DeadlineError, KeyFault and
    TrustError.
    """
    gc.collect()  # the handshake needs large pieces of memory
    context = _context(anchors, certificate, key, provisional)
    peer = _Peer(authorise)
    if authorise:
        context.verify_callback = peer.seen
    wrapper = _NoDelay(context)
    opening = asyncio.open_connection(host, port, ssl=wrapper, server_hostname=host)
    try:
        reader, writer = await asyncio.wait_for(opening, limits.CONNECT_TIMEOUT)
    except asyncio.TimeoutError:
        wrapper.close()
        raise DeadlineError(
            "no connection to %s:%d within %d s" % (host, port, limits.CONNECT_TIMEOUT)
        )
    except asyncio.CancelledError:
        wrapper.close()
        raise
    except (OSError, ValueError) as error:
        wrapper.close()
        raise peer.error or _explained(error, host, port)
    return TlsStream(reader, writer, host, port, limits, peer)


def _context(anchors, certificate, key, provisional):
    """Return a tls.SSLContext that verifies the server, or a provisional one that cannot."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if provisional:
        if certificate or anchors:
            raise TrustError("a provisional connection carries no certificate (RFC 7030 4.1.1)")
        context.verify_mode = tls.CERT_NONE
        return context
    if not anchors:
        raise TrustError("no trust anchors: give an anchors file or a fingerprint")
    context.verify_mode = tls.CERT_REQUIRED
    for anchor in anchors:
        try:
            context.load_verify_locations(
                anchor
            )  # one DER a call: of several only the first counts
        except (ValueError, OSError):
            raise TrustError("the TLS stack does not take a trust anchor: not a DER certificate?")
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except (ValueError, OSError, TypeError):
            raise KeyFault("the TLS stack does not take the client certificate and key")
    return context


def client_context(anchors, certificate, key):
    """Return a verifying tls.SSLContext with the client certificate, for the application."""
    return _context(anchors, certificate, key, False)


class _Peer:
    """Looks at the server's certificate while the handshake verifies it."""

    def __init__(self, authorise):
        self._authorise = authorise
        self.error = None  # why the server was refused: an EstError

    def seen(self, der, depth):
        """Be called by the TLS stack for each certificate, leaf last; non-zero ends TLS."""
        if depth == 0:
            try:
                self._authorise(bytes(der))  # the memory is the TLS stack's
            except EstError as error:
                self.error = error  # an exception must not pass through the TLS stack
            except MemoryError:
                self.error = EstError("not enough memory to check the server's certificate")
            return 1 if self.error else 0
        return 0


class _NoDelay:
    """Stands in for the context in asyncio.open_connection, to reach the raw socket.

    Without TCP_NODELAY a handshake waits for delayed acknowledgements. CPython's asyncio sets the
    option itself and never calls wrap_socket; it finds everything else in the context.
    """

    def __init__(self, context):
        self._context = context
        self._socket = None

    def __getattr__(self, name):
        return getattr(self._context, name)

    def wrap_socket(self, sock, **options):
        self._socket = sock
        try:
            sock.setsockopt(_IPPROTO_TCP, _TCP_NODELAY, 1)
        except OSError:
            pass  # a port without it is slower, not wrong
        return self._context.wrap_socket(sock, **options)

    def close(self):
        """Close the raw socket of a connection that did not come about."""
        if self._socket:
            self._socket.close()


class TlsStream:
    """A TLS connection with a deadline on every step; made by connect()."""

    def __init__(self, reader, writer, host, port, limits, peer):
        self._reader = reader
        self._writer = writer
        self._host = host
        self._port = port
        self._limits = limits
        self._peer = peer
        self._timeout = limits.HANDSHAKE_TIMEOUT  # the first write carries the handshake

    async def readinto(self, view):
        """Receive up to len(view) bytes into view; return the count, 0 when the peer closed."""
        # asyncio gives None where a TLS record carried no application data.
        count = None
        while count is None:
            count = await self._bounded(self._reader.readinto(view))
        return count

    async def write(self, data):
        """Send data (bytes), all of it."""
        await self._bounded(self._send(data))
        self._timeout = self._limits.IO_TIMEOUT

    async def close(self):
        """Close the connection; an error while closing changes nothing any more."""
        self._writer.close()
        try:
            await asyncio.wait_for(self._writer.wait_closed(), 2)
        except (asyncio.TimeoutError, OSError, ValueError):
            pass

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
            raise self._peer.error or _explained(error, self._host, self._port)


def _explained(error, host, port):
    import tls_errors

    return tls_errors.explain(error, host, port)
