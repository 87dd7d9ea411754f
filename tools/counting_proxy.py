"""Counts what goes over a connection to a server on this computer."""

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class CountingProxy:
    """Passes TCP connections on to the server of `to`, a URL; a context manager.

    `url` is the same with the proxy's own port; `sent` and `received` are the octets so far, as
    the client sees them: TLS records, without the headers of TCP and IP.
    """

    def __init__(self, to: str) -> None:
        self._parts = urlsplit(to)
        assert self._parts.hostname and self._parts.port
        self._server = self._parts.hostname, self._parts.port
        self.sent = self.received = 0

    def __enter__(self) -> "CountingProxy":
        self._listener = socket.create_server((self._server[0], 0))
        port = self._listener.getsockname()[1]
        self.url = self._parts._replace(netloc=f"{self._server[0]}:{port}").geturl()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(self._server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(*pair, client), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while octets := source.recv(16384):
                # Each direction has one counter and, with one client, one thread at a time.
                if source is client:
                    self.sent += len(octets)
                else:
                    self.received += len(octets)
                target.sendall(octets)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
