"""A connection that stands, with a deadline on every step; tls_stream opens it.

It is in the heap as long as the connection is in use. TLS errors come out as sentences.
"""

import asyncio

from est_errors import DeadlineError, NetworkError, ProtocolError
from micropython import const

_STRIDE = const(127)  # octets, and one more, between two chances for other tasks


def resumed(parked, limits):
    """Return the Stream of which Stream.parked() returned this; limits: as there."""
    reader, writer, host, port, tls_socket, psk = parked
    stream = Stream(reader, writer, host, port, limits, None, tls_socket, psk)
    stream._timeout = limits.IO_TIMEOUT
    return stream


class Stream:
    """A connection; made by connect() and connect_plain() of tls_stream.

    peer: what looks at the server's chain until it is verified, or None. tls_socket: MicroPython's
    tls_turns.Turns, or None. psk: whether a pre-shared key is in place of certificates.
    """

    def __init__(self, reader, writer, host, port, limits, peer=None, tls_socket=None, psk=False):
        self._reader = reader
        self._writer = writer
        self._host = host
        self._port = port
        self._limits = limits
        self._peer = peer
        self._tls_socket = tls_socket
        self._psk = psk
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
            self._psk,
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
        chain = self._peer.chain
        self._leave()
        return chain

    def _leave(self):
        """Let go of the peer: its code leaves the heap."""
        if self._peer:
            self._peer.leave()
            self._peer = None

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
        size = len(view) if sock and count else 0
        while count < size:
            if not count & _STRIDE:
                await asyncio.sleep(0)
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

    def idle(self):
        """Return whether nothing has come since the last answer: neither octets nor the end."""
        if not self._tls_socket:
            return self._reader.idle()  # CPython's, by the shim
        if not self._ended:
            try:
                # What it reads is lost: the connection is over then.
                self._ended = self._tls_socket.tls.readinto(self._octet) is not None
            except OSError:
                self._ended = True
        return not self._ended

    async def close(self):
        """Close the connection; an error while closing changes nothing any more."""
        self._leave()
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
            refused = self._peer and self._peer.error
            raise refused or explained(error, self._host, self._port, self._psk)


def explained(error, host, port, psk=False):
    """Return the EstError for an OSError or ValueError of the socket or the TLS stack."""
    import tls_errors

    return tls_errors.explain(error, host, port, psk)
