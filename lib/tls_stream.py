"""Opens connections; only this file and tls_context touch `tls` and sockets (RFC 7030 3.3).

A TLS connection is verified, always: chain, validity and host name, by the firmware's TLS stack,
and then by `authorise`. The one exception has a context of tls_context.provisional(): only `est`
asks for it, to fetch /cacerts whose fingerprint it then compares (RFC 7030 4.1.1). A plain
connection (connect_plain) is for what carries a signature of its own: CRLs. What opens a
connection leaves the heap then; bounded_stream is what stays.
"""

import asyncio

import tls
import tls_turns
from bounded_stream import Stream, explained
from est_errors import (
    DeadlineError,
    EstError,
)
from micropython import const

_IPPROTO_TCP = const(6)  # MicroPython's socket module does not name these two
_TCP_NODELAY = const(1)
_FATAL_ERROR = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR


async def connect(host, port, limits, context, authorise=None, server_name=None, psk=False):
    """Open TCP and return a Stream; its handshake runs in verified(), or in the first write.

    host: str, DNS name or IP address; port: int; limits: see est_limits. context: a tls.SSLContext
    of tls_context or est_psk. authorise: function of the server's verified chain (a list of DER
    bytes, leaf first, anchor last) that raises an EstError where it is not the right server; it
    runs in the handshake, before anything is sent; None: for a provisional connection, and with a
    pre-shared key (psk), whose knowledge is what both prove. server_name: str, the name that TLS
    compares, where it is not the host. Raises NetworkError, DeadlineError, KeyFault, TrustError.
    """
    peer = None
    if authorise:
        peer = _Peer(authorise, context)
        context.verify_callback = peer.seen
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
        raise (peer and peer.error) or explained(error, host, port, psk)
    return Stream(reader, writer, host, port, limits, peer, wrapper.tls, psk)


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
        raise explained(error, host, port)
    return Stream(reader, writer, host, port, limits)


def tls_unique(stream):
    """Return the tls-unique channel binding (bytes; RFC 5929), or None where there is none.

    MicroPython's `tls` has none, CPython's shim where the connection speaks TLS 1.2.
    """
    found = getattr(tls, "tls_unique", None)
    return found and found(stream._writer)


def _late(host, port, limits):
    return DeadlineError(
        "no connection to %s:%d within %d s" % (host, port, limits.CONNECT_TIMEOUT)
    )


class _Peer:
    """Looks at the server's chain while the handshake verifies it."""

    def __init__(self, authorise, context):
        self._authorise = authorise
        self._context = context  # the tls.SSLContext that calls seen()
        self._chain = []
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
        if self._context:
            self._context.verify_callback = None
        self._authorise = self._context = None


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
