"""Stands between TLS and its socket, and gives asyncio its turn, however fast a server sends.

A module of its own: MicroPython's poll object holds on to the last TLS connection, that to this.
"""

import io
import select

from micropython import const

_READS = const(64)  # of the socket, two a record, until asyncio has its turn
_POLL = const(3)  # MicroPython's MP_STREAM_POLL and MP_STREAM_CLOSE
_CLOSE = const(4)


class Turns(io.IOBase):
    """A socket (given to it) that now and then has nothing to read; `tls` is the TLS socket on it.

    TLS reads on within one call while there are records that mean nothing to it, such as warnings:
    a server that sends those fast enough would hold the device for ever, past every deadline.
    Nothing is raised here: an exception must not pass through the TLS stack.
    """

    def __init__(self, sock):
        self._s = sock
        self._n = 0
        self.tls = None
        self._p = select.poll()
        self._p.register(sock)

    def readinto(self, view):
        """Return the count, None where nothing is there, or -errno."""
        self._n = (self._n + 1) % _READS
        try:
            return self._s.readinto(view) if self._n else None
        except OSError as error:
            return -error.errno

    def write(self, data):
        """Return the same of sending."""
        try:
            return self._s.write(data)
        except OSError as error:
            return -error.errno

    def setblocking(self, flag):
        """Do nothing: asyncio has told the socket."""

    def ioctl(self, request, argument):
        """Say what the socket is ready for, or close it."""
        if request == _CLOSE:
            sock, self._s = self._s, None
            if sock:
                sock.close()
            return 0
        if request != _POLL:
            return -22  # EINVAL
        self._p.modify(self._s, argument)
        for _, events in self._p.ipoll(0):
            return events
        return 0
