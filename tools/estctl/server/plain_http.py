"""Plain HTTP beside the server's TLS: where CRLs lie (RFC 5280 4.2.1.13), and where a redirect
leads a client that follows it."""

import socket

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from estctl.server.settings import Settings

_PATIENCE = 0.1  # seconds that requests get to end; one of them never does


class PlainHttp:
    """A listener on a free port, which it has from the beginning: certificates name it."""

    def __init__(self, settings: Settings) -> None:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self._socket = socket.create_server((settings.host, 0), family=family)
        port = self._socket.getsockname()[1]
        self.url = settings.url(port).replace("https:", "http:", 1)
        self._handlers: dict[str, Handler] = {}
        self._runner: web.AppRunner | None = None

    def add(self, path: str, handler: Handler) -> str:
        """Answer GET of a path from now on; return its URL."""
        self._handlers[path] = handler
        return self.url + path

    async def start(self, *middlewares: Middleware) -> None:
        """Begin to answer."""
        app = web.Application(middlewares=middlewares)
        for path, handler in self._handlers.items():
            app.router.add_get(path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def stop(self) -> None:
        """End, with what is still being sent."""
        if self._runner:
            await self._runner.cleanup()
        self._socket.close()
