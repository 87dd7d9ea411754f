"""A running server: its settings, its folder, its TLS context and its life."""

import contextlib
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from estctl.server.authority import Authority, write_private
from estctl.server.handlers import OPERATIONS, Handlers, Policy
from estctl.server.records import Records

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


class SettingsError(Exception):
    """The settings make no server; the text says why."""


@dataclass
class Settings:
    """What a server is told; `folder` keeps its CA, its records and its password."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    allow_remote: bool = False
    names: tuple[str, ...] = ()  # of the TLS certificate, beside the loopback's
    authentication: str = "basic"  # or "none"
    user: str = "device"
    require_client_certificate: bool = False
    client_ca: Path | None = None  # who else may issue client certificates (PEM)
    labels: tuple[str, ...] = ()  # empty: every label
    ca_key: str = "p256"
    days: int = 365
    tls: str = "both"  # "1.2", "1.3" or "both"
    csrattrs: bytes | None = None  # DER


class EstServer:
    """The server as an async context manager; `url` and the rest are there once it listens."""

    def __init__(self, settings: Settings, log: Callable[[str], None] = lambda line: None) -> None:
        if settings.host not in LOOPBACK and not settings.allow_remote:
            raise SettingsError(
                f"{settings.host} is not loopback; this is a development server: --allow-remote"
            )
        for label in settings.labels:
            if label in OPERATIONS:
                raise SettingsError(f"the label {label} is the name of an operation (RFC 7030)")
        self._settings = settings
        self._log = log
        names = [*_OWN_NAMES, *settings.names]
        if settings.host not in names:
            names.append(settings.host)
        self.authority = Authority(settings.folder, settings.ca_key, names, settings.days)
        self.password_file = settings.folder / "password"
        self.records = Records(settings.folder / "issued.sqlite")
        self.url = ""

    async def __aenter__(self) -> "EstServer":
        policy = Policy(
            self._settings.authentication,
            self._settings.user,
            self._password(),
            frozenset(self._settings.labels),
            self._settings.csrattrs,
        )
        app = Handlers(self.authority, self.records, policy).application()
        app.middlewares.append(self._access_log)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            site = web.TCPSite(
                self._runner, self._settings.host, self._settings.port, ssl_context=self._context()
            )
            await site.start()
        except BaseException:
            await self._runner.cleanup()
            self.records.close()
            raise
        port = self._runner.addresses[0][1]
        host = self._settings.host
        self.url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self.records.close()

    def _password(self) -> str:
        """Return the password of the HTTP user, made at the first start."""
        with contextlib.suppress(FileNotFoundError):
            return self.password_file.read_text().strip()
        write_private(self.password_file, (secrets.token_urlsafe(18) + "\n").encode())
        return self.password_file.read_text().strip()

    def _context(self) -> ssl.SSLContext:
        """Return the TLS context: client certificates are asked for, and needed only if so set."""
        settings = self._settings
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.tls == "1.2":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        elif settings.tls == "1.3":
            context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self.authority.chain_file, self.authority.key_file)
        context.load_verify_locations(self.authority.anchors_file)
        context.load_verify_locations(settings.folder / "issuing.pem")
        if settings.client_ca:
            context.load_verify_locations(settings.client_ca)
        required = settings.require_client_certificate
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        return context

    @web.middleware
    async def _access_log(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log one line a request: method, path, status, who; never a credential."""
        response = await handler(request)
        who = request.get("client", "")
        self._log(f"{request.method} {request.path} {response.status} {who}".rstrip())
        return response
