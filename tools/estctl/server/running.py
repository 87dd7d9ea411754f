"""A running server: its folder, its listening socket and its life."""

import contextlib
import dataclasses
import errno
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from estctl.server import events, folder, profiles, psk, scenarios, tls
from estctl.server.access import Access
from estctl.server.authority import Authority
from estctl.server.faults import Faults
from estctl.server.handlers import Handlers
from estctl.server.journal import Journal
from estctl.server.profiles import Quirks, bootstrap
from estctl.server.profiles.rules import Rules
from estctl.server.profiles.wire import Wire
from estctl.server.records import Records
from estctl.server.scenarios import Scenario, Scene
from estctl.server.settings import Authentication, KeyKind, RollOver, Settings
from estctl.server.waiting import WaitingRoom

_PATIENCE = 2.0  # seconds that requests get to end when the server ends
_ROLLING_OVER = (
    "a rollover is under way: /cacerts lists the old root and the new one, the new one issues;"
    " --roll-over finish ends it"
)


def _silent(_: events.Event) -> None:
    """Log nothing."""


class EstServer:
    """The server, as an async context manager.

    Attributes: settings (Settings, a profile's included), authority (Authority), records
    (Records), password_file (Path), psk_key_file (Path, used where the settings have an identity
    for it), journal (Journal, or None without a scenario or profile), implicit (Path of a PEM
    bundle that a client trusts for TLS alone, or None), trust (Path of one that also has the root,
    where there is that), bootstrap (Path of the certificate, .pem, and key, .key, that a profile's
    clients begin with, without that suffix; or None), label (str, of a profile that needs one),
    faults (Faults, or None without one);
    url (str, without a path) once it listens.
    """

    def __init__(self, settings: Settings, log: events.Log = _silent) -> None:
        """Open the folder, and make what it lacks; nothing listens yet.

        log: called for each request and each failed handshake. Raises SettingsError, and OSError
        where the folder cannot be used.
        """
        settings.check()
        self._quirks = quirks = profiles.find(settings.profiles)
        if quirks:
            settings = profiles.applied(settings, quirks)
        self.faults = Faults(settings.fault, log) if settings.fault else None
        self._scenario = scenario = scenarios.find(settings.scenario)
        self.settings = settings
        self._log = log
        folder.prepare(settings.folder)
        self.authority = _authority(settings, scenario)
        self.bootstrap: Path | None = None
        if quirks and quirks.certificate_needed and settings.client_ca is None:
            bootstrap_ca = bootstrap.provide(settings.folder)
            self.settings = settings = dataclasses.replace(settings, client_ca=bootstrap_ca)
            self.bootstrap = settings.folder / bootstrap.NAME
        self.password_file = settings.folder / "password"
        self._password = folder.password(self.password_file)
        role = ",".join(settings.profiles) or scenario.name
        self.journal = Journal(settings.folder / "requests.jsonl", role) if role else None
        self._play = scenario.build(Scene(self.authority, settings))
        if quirks:
            stages = tuple(profiles.staged(stage, quirks) for stage in self._play.stages)
            self._play = dataclasses.replace(self._play, stages=stages)
        self.implicit = self._play.implicit
        self.trust = settings.folder / "trust.pem"
        if self.implicit:
            pems = self.authority.anchors_file.read_bytes() + self.implicit.read_bytes()
            self.trust.write_bytes(pems)
        self.label = quirks.label if quirks else ""
        connected = [self.journal.connected] if self.journal else []
        verifying = profiles.verifying(self._play.stages, quirks)
        self._tls = self._listening = tls.context(verifying, settings, log, *connected)
        self.psk_key_file = settings.psk_key_file or settings.folder / "psk"
        if settings.psk_identity is not None:
            secret = psk.key(self.psk_key_file, make=settings.psk_key_file is None)
            self._listening = tls.context(verifying, settings, log, *connected)
            psk.offer(self._listening, self._tls, settings.psk_identity, secret)
        if quirks and quirks.alpn:
            self._listening.set_alpn_protocols(list(quirks.alpn))
        self._enter(0)
        self.records = Records(settings.folder / "issued.sqlite")
        self.url = ""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate's DER, lower-case hex."""
        return self.authority.fingerprint

    @property
    def phases(self) -> int:
        """How many phases the scenario has; 1 where nothing changes."""
        return len(self._play.stages)

    def next_phase(self) -> None:
        """Go to the scenario's next phase, or end a fault first; who is connected stays so.

        The log says what is new.
        """
        if self.faults and self.faults.playing:
            self.faults.play(None)
            self._log(events.event("the fault has ended", good=True))
        elif self._phase + 1 < self.phases:
            self._enter(self._phase + 1)
            self._tell_phase()
        else:
            self._log(events.event(f"phase {self._phase} is the last one: no change", good=True))

    async def __aenter__(self) -> "EstServer":
        """Listen. Raises OSError where that cannot be."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self.records.close)
            if self._play.plain:
                stack.push_async_callback(self._play.plain.stop)
                await self._play.plain.start(*self._middlewares())
            runner = web.AppRunner(
                self._application(), access_log=None, shutdown_timeout=_PATIENCE
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await self._listen(runner)
            self.url = self.settings.url(runner.addresses[0][1])
            self._resources = stack.pop_all()
        self._tell_phase()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    def _enter(self, phase: int) -> None:
        self._phase = phase
        self.authority.stage = self._play.stages[phase]
        tls.present(self._tls, self.authority.stage.tls)

    def _tell_phase(self) -> None:
        if self.authority.rolling_over:
            self._log(events.event(_ROLLING_OVER, good=True))
        text = self.authority.stage.text or self._scenario.summary
        if self.phases > 1:
            text = f"phase {self._phase} of 0 to {self.phases - 1}: {text}"
        for name in self.settings.profiles:
            about = profiles.CATALOGUE[name]["about"]
            self._log(events.event(f"profile {name}: {about}", good=True))
        if self.faults and self.faults.about:
            self._log(events.event(self.faults.about, good=True))
        if text:
            self._log(events.event(f"scenario {self._scenario.name}: {text}", good=True))

    def _middlewares(self) -> list[Middleware]:
        """Return what sees every answer: the journal of a scenario, then the log."""
        log = events.access_log(self._log)
        return [self.journal.middleware(), log] if self.journal else [log]

    def _application(self) -> web.Application:
        settings = self.settings
        access = Access(
            self.authority,
            self.records,
            Authentication(settings.authentication),
            settings.user,
            self._password,
            settings.psk_identity,
        )
        handlers = Handlers(
            self.authority,
            self.records,
            access,
            settings.labels,
            settings.csrattrs,
            WaitingRoom(settings.not_yet, settings.retry_after),
            settings.linked,
            settings.key_encryption_key,
        )
        outer = self._middlewares()
        if self._quirks or self.faults:
            outer.insert(0, Wire(self._quirks or Quirks(), self.authority).middleware)
        if self.faults:
            outer.insert(0, self.faults.middleware)
        rules = (Rules(self._quirks, settings.labels).middleware,) if self._quirks else ()
        return handlers.application(*outer, inner=rules)

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self.settings.host, self.settings.port
        # asyncio sets TCP_NODELAY on every connection; without it a handshake waits 40 ms twice.
        site = web.TCPSite(runner, host, port, ssl_context=self._listening)
        try:
            await site.start()
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                reason = "the port is in use; choose another with --port, 0 for any"
            elif error.errno == errno.EACCES:
                reason = "this user may not use the port; choose one from 1024 on"
            raise OSError(error.errno, f"{host} port {port}: {reason}") from None


def _authority(settings: Settings, scenario: Scenario) -> Authority:
    """Return the true CA: the folder's, or in a folder below it one that is about to expire."""
    where = settings.folder
    if scenario.aged:
        where = where / scenario.name
        where.mkdir(exist_ok=True)
    return Authority(
        where,
        KeyKind(settings.ca_key) if settings.ca_key else None,
        settings.certificate_names(),
        settings.days,
        scenario.aged,
        settings.root_days,
        RollOver(settings.roll_over) if settings.roll_over else None,
    )
