"""A running server: its folder, its listening socket and its life."""

import contextlib
import errno

from aiohttp import web

from estctl.server import events, folder, tls
from estctl.server.access import Access
from estctl.server.authority import Authority
from estctl.server.handlers import Handlers
from estctl.server.records import Records
from estctl.server.settings import Authentication, KeyKind, Settings

_PATIENCE = 2.0  # seconds that requests get to end when the server ends


def _silent(_: events.Event) -> None:
    """Log nothing."""


class EstServer:
    """The server, as an async context manager.

    Attributes: authority (Authority), records (Records), password_file (Path); url (str, without
    a path) once it listens.
    """

    def __init__(self, settings: Settings, log: events.Log = _silent) -> None:
        """Open the folder, and make what it lacks; nothing listens yet.

        log: called for each request and each failed handshake. Raises SettingsError, and OSError
        where the folder cannot be used.
        """
        settings.check()
        self.settings = settings
        self._log = log
        folder.prepare(settings.folder)
        self.authority = Authority(
            settings.folder,
            KeyKind(settings.ca_key) if settings.ca_key else None,
            settings.certificate_names(),
            settings.days,
        )
        self.password_file = settings.folder / "password"
        self._password = folder.password(self.password_file)
        self._tls = tls.context(self.authority, settings, log)
        self.records = Records(settings.folder / "issued.sqlite")
        self.url = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate's DER, lower-case hex."""
        return self.authority.fingerprint

    async def __aenter__(self) -> "EstServer":
        """Listen. Raises OSError where that cannot be."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.records.close)
            runner = web.AppRunner(
                self._application(), access_log=None, shutdown_timeout=_PATIENCE
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await self._listen(runner)
            self.url = self.settings.url(runner.addresses[0][1])
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    def _application(self) -> web.Application:
        settings = self.settings
        access = Access(
            self.authority,
            self.records,
            Authentication(settings.authentication),
            settings.user,
            self._password,
        )
        handlers = Handlers(
            self.authority, self.records, access, settings.labels, settings.csrattrs
        )
        return handlers.application(events.access_log(self._log))

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self.settings.host, self.settings.port
        # asyncio sets TCP_NODELAY on every connection; without it a handshake waits 40 ms twice.
        site = web.TCPSite(runner, host, port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                reason = "the port is in use; choose another with --port, 0 for any"
            elif error.errno == errno.EACCES:
                reason = "this user may not use the port; choose one from 1024 on"
            raise OSError(error.errno, f"{host} port {port}: {reason}") from None
