"""What a person at the server sees: a line a request, and a line a failed TLS handshake.

No line holds a credential: headers and bodies are not looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from estctl.server.access import CLIENT
from estctl.server.handlers import NOTE


@dataclass(frozen=True)
class Event:
    """Something that happened: one printable line, and whether it is what a client hoped for."""

    text: str
    good: bool


Log = Callable[[Event], None]


def event(text: str, good: bool) -> Event:
    """Return an event; what clients put into the text cannot move the cursor or end the line."""
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return Event(printable, good)


def access_log(log: Log) -> Middleware:
    """Return a middleware that logs every request: method, path, status, who, what came of it."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception:
            log(event(f"{request.method} {request.path} 500", good=False))
            raise
        parts = [request.method, request.path, str(response.status)]
        parts += [request[key] for key in (CLIENT, NOTE) if key in request]
        log(event(" ".join(parts), good=response.status < 400))
        return response

    return middleware
