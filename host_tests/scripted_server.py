"""A TLS server that a test scripts byte by byte: what no well-behaved EST server would do.

Each connection runs the test's function in a thread; what arrived is kept for the test to read.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

DEADLINE = 20  # seconds after which a thread gives up, whatever the client does


@dataclass
class Request:
    """One request as it arrived."""

    head: str
    body: bytes

    def header(self, name: str) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None


@dataclass
class Connection:
    """One connection, for the script: read requests, send bytes."""

    socket: socket.socket
    requests: list[Request]
    _buffer: bytes = b""

    def read_request(self) -> Request | None:
        """Return the next request, or None when the client has gone."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._receive():
                return None
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        request = Request(head.decode(), b"")
        length = int(request.header("content-length") or 0)
        while len(self._buffer) < length:
            if not self._receive():
                return None
        request.body, self._buffer = self._buffer[:length], self._buffer[length:]
        self.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _receive(self) -> bool:
        data = self.socket.recv(4096)
        self._buffer += data
        return bool(data)


Script = Callable[[Connection], None]


@dataclass
class ScriptedServer:
    """Listens on loopback; `context` None is plain TCP. Use as a context manager."""

    script: Script
    context: ssl.SSLContext | None
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def __enter__(self) -> "ScriptedServer":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # A listener that another thread waits on is woken by shutdown, not by close.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(DEADLINE)

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(raw,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(DEADLINE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The client may break off at any point; that is what most of these tests are about.
        with contextlib.suppress(OSError), raw:
            wrapped = self.context.wrap_socket(raw, server_side=True) if self.context else raw
            with wrapped:
                self.script(Connection(wrapped, self.requests))


def answers(*responses: bytes) -> Script:
    """Return a script that gives these responses to the requests of a connection, in order."""

    def script(connection: Connection) -> None:
        for response in responses:
            if connection.read_request() is None:
                return
            connection.send(response)
        connection.read_request()  # keep the connection open until the client closes it

    return script


def by_path(**bodies: bytes) -> Script:
    """Return a script that answers each request by the end of its path: enroll=..., cacerts=...

    What is not among them gets 404.
    """

    def script(connection: Connection) -> None:
        while request := connection.read_request():
            path = request.head.split(" ")[1]
            found = [body for name, body in bodies.items() if path.endswith(name)]
            connection.send(response(found[0]) if found else response(b"", "404 Not Found", ""))

    return script


def response(
    body: bytes = b"",
    status: str = "200 OK",
    content_type: str = "application/pkcs7-mime",
    *more: str,
) -> bytes:
    """Return an HTTP response with its Content-Length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    return "\r\n".join([*lines, "", ""]).encode() + body
