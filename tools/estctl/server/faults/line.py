"""What a fault is, the answer that it spoils, and the connection on which it does."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cryptography import x509

from estctl.server.signing import Pair

_TICK = 0.02  # seconds between looks whether the client is still there
_BACKLOG = 65536  # octets that may wait to be sent
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds: closing sends RST


@dataclass(frozen=True)
class Answer:
    """The right answer, as octets; at: how many of them come before the fault."""

    octets: bytes
    at: int
    path: str  # of the request

    @property
    def head(self) -> list[bytes]:
        """The status line and the headers, without line ends."""
        return self.octets.partition(b"\r\n\r\n")[0].split(b"\r\n")

    @property
    def body(self) -> bytes:
        """What is behind the head."""
        return self.octets.partition(b"\r\n\r\n")[2]


class Line:
    """A connection to a client. What it sends raises ConnectionResetError once that has gone."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    async def send(self, octets: bytes) -> None:
        """Send octets, as fast as the client takes them."""
        while not self._transport.is_closing():
            if self._transport.get_write_buffer_size() <= _BACKLOG:
                break
            await asyncio.sleep(_TICK)
        else:
            raise ConnectionResetError
        self._transport.write(octets)
        await asyncio.sleep(0)

    async def wait(self, seconds: float) -> None:
        """Send nothing for so long."""
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            if self._transport.is_closing():
                raise ConnectionResetError
            await asyncio.sleep(min(_TICK, seconds))

    async def silence(self) -> None:
        """Send nothing until the client goes."""
        await self.wait(float("inf"))

    def close(self) -> None:
        """End TLS with close_notify, then TCP."""
        self._transport.close()

    def cut(self) -> None:
        """End TCP (FIN), without a word from TLS."""
        self._transport.abort()

    def reset(self) -> None:
        """Reset TCP (RST)."""
        raw = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


Spoil = Callable[[Line, Answer], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A fault: its name, one line about it, and what it does to an answer or to a certificate.

    spoil: writes the answer. keeps: whether the connection may carry another one then. place: of
    the answer's length, how many octets come before the fault where nobody says it;
    in_the_middle: whether that can be said. forge: makes another of the certificate that would be
    right.
    """

    name: str
    about: str
    spoil: Spoil | None = None
    keeps: bool = False
    place: Callable[[int], int] = lambda length: 0
    in_the_middle: bool = False
    forge: Callable[[x509.Certificate, Pair], x509.Certificate] | None = None
