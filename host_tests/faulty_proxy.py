"""A network between a client and a TLS server on loopback: it fails at one octet of one record."""

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

_HEADER = 5  # octets of a TLS record before its contents (RFC 8446 5.1)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds: closing sends RST
_LATE = 0.3  # seconds, well within each deadline

KINDS = {
    "cut": "both directions end (FIN)",
    "reset": "both directions are reset (RST)",
    "delay": "nothing more passes in this direction, and nothing ends",
    "late": "the rest comes a little later: nothing wrong",
    "trickle": "one octet a second",
    "pieces": "the rest of the record comes octet by octet: nothing wrong",
    "duplicate": "the rest of the record comes twice",
    "drop": "the rest of the record is missing, the next one is not",
    "flip": "one octet is another",
}


@dataclass(frozen=True)
class Place:
    """Which connection, direction (down: to the client), record, and octet of it; -1: the last."""

    connection: int
    down: bool
    record: int
    octet: int


class FaultyProxy:
    """Passes TLS records on to a port; a context manager.

    `records` has the sizes of those that came, by (connection, down), since the last play().
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._begin, daemon=True)
        self.play(None, None)

    def play(self, kind: str | None, place: Place | None) -> None:
        """Fail once, in this way and place; count connections from 0 again. None: do not."""
        self._kind, self._place = kind, place
        self._numbers = itertools.count()
        self.records: dict[tuple[int, bool], list[int]] = {}
        self.began: float | None = None  # time.monotonic() of the failure

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        self._ready.result(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._ended.result(10)

    def _begin(self) -> None:
        try:
            asyncio.run(self._run())
            self._ended.set_result(None)
        except BaseException as error:
            self._ended.set_exception(error)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set_result(None)
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)  # asyncio itself does not hold it
        task.add_done_callback(self._tasks.discard)
        number, gone = next(self._numbers), asyncio.Event()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._to)
        ends = (writer, inner_writer)
        with contextlib.suppress(asyncio.CancelledError):  # the proxy ends
            await asyncio.gather(
                self._pass(number, False, reader, inner_writer, ends, gone),
                self._pass(number, True, inner_reader, writer, ends, gone),
            )
        for end in ends:
            end.close()

    async def _pass(
        self,
        number: int,
        down: bool,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        gone: asyncio.Event,
    ) -> None:
        sizes = self.records.setdefault((number, down), [])
        try:
            while True:
                record = await source.readexactly(_HEADER)
                record += await source.readexactly(int.from_bytes(record[3:], "big"))
                sizes.append(len(record))
                place = self._place
                if not (self._kind and place) or (
                    (place.connection, place.down, place.record) != (number, down, len(sizes) - 1)
                ):
                    target.write(record)
                    await target.drain()
                    continue
                kind, self._kind = self._kind, None
                at = place.octet if place.octet >= 0 else len(record) - 1
                self.began = time.monotonic()
                target.write(record[:at])
                await target.drain()
                await self._fail(kind, record[at:], source, target, ends, gone)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if not down:
                gone.set()
            with contextlib.suppress(OSError, RuntimeError):
                target.write_eof()

    async def _fail(
        self,
        kind: str,
        rest: bytes,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        gone: asyncio.Event,
    ) -> None:
        """Fail before `rest` of a record; what then returns lets the records behind it pass."""
        if kind in ("cut", "reset"):
            for end in ends:
                if kind == "reset":
                    raw = end.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.transport.abort()
                else:
                    end.close()
            raise ConnectionResetError
        if kind == "delay":
            if target is ends[1]:  # what the client sends: it shows, too, when it goes
                while await source.read(4096):
                    pass
            else:
                await gone.wait()
            raise ConnectionResetError
        if kind == "trickle":
            while rest:
                for octet in rest:
                    target.write(bytes([octet]))
                    await target.drain()
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(gone.wait(), 1)
                        raise ConnectionResetError
                rest = await source.read(4096)
            return
        if kind == "pieces":
            for octet in rest:
                target.write(bytes([octet]))
                await target.drain()
                await asyncio.sleep(0)
            return
        if kind == "late":
            await asyncio.sleep(_LATE)
        if kind == "flip" and rest:
            rest = bytes([rest[0] ^ 1]) + rest[1:]
        if kind != "drop":
            target.write(rest * (2 if kind == "duplicate" else 1))
            await target.drain()
