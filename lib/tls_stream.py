"""Opens connections; only the files named tls_... touch `tls` and sockets (RFC 7030 3.3).

A TLS connection is verified, always: chain, validity and host name, by the firmware's TLS stack,
and then by `authorise`. The one exception has a context of tls_context.provisional(): only `est`
asks for it, to fetch /cacerts whose fingerprint it then compares (RFC 7030 4.1.1). A plain
connection (connect_plain) is for what carries a signature of its own: CRLs. What opens a
connection leaves the heap before the handshake; tls_peer and bounded_stream are what stays.
"""

import asyncio

import tls_peer
import tls_turns
from bounded_stream import Stream, explained
from est_errors import DeadlineError
from micropython import const

_IPPROTO_TCP = const(6)  # MicroPython's socket module does not name these two
_TCP_NODELAY = const(1)


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
        peer = tls_peer.Peer(authorise, context)
        context.verify_callback = peer.seen
    wrapper = _NoDelay(context)
    opening = asyncio.open_connection(host, port, ssl=wrapper, server_hostname=server_name or host)
    try:
        reader, writer = await asyncio.wait_for(opening, limits.CONNECT_TIMEOUT)
    except asyncio.TimeoutError:
        wrapper.close()
        raise _late(host, port, limits)
    except (MemoryError, asyncio.CancelledError):
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
    except (OSError, ValueError) as error:
        raise explained(error, host, port)
    return Stream(reader, writer, host, port, limits)


def _late(host, port, limits):
    return DeadlineError(
        "no connection to %s:%d within %d s" % (host, port, limits.CONNECT_TIMEOUT)
    )


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
