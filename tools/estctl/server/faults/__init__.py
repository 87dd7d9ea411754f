"""Networks that fail and servers that lie: `estctl server --fault NAME[:OCTETS][@OPERATION]`.

A scenario changes who the server is, a profile how it honestly writes; a fault spoils an answer
that would have been right. One file a subject; each has its FAULTS, and a new one is a function
and a line there.
"""

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler

from estctl.server.events import Log, event
from estctl.server.faults import issued, lies, network
from estctl.server.faults.line import Answer, Fault, Line, Spoil
from estctl.server.handlers import FORGED
from estctl.server.profiles.wire import Written
from estctl.server.settings import OPERATIONS, SettingsError

__all__ = ["CATALOGUE", "Faults", "Playing", "find"]

CATALOGUE = {fault.name: fault for fault in (*network.FAULTS, *lies.FAULTS, *issued.FAULTS)}
# Where a fault plays if nobody says where: a client gets as far as its request, and enrols.
_ENROLLING = ("simpleenroll", "simplereenroll", "serverkeygen", "fullcmc")
_FOR_ALL = "all"


@dataclass(frozen=True)
class Playing:
    """A fault, the octets of the answer that come before it (None: the fault's own choice), and
    the operations at which it plays."""

    fault: Fault
    octets: int | None
    operations: tuple[str, ...]


def find(text: str) -> Playing:
    """Return what NAME[:OCTETS][@OPERATION] means. Raises SettingsError, which lists the names."""
    rest, at, operation = text.partition("@")
    name, colon, octets = rest.partition(":")
    if name not in CATALOGUE:
        raise SettingsError(f"there is no fault {name!r}; there are {', '.join(CATALOGUE)}")
    fault = CATALOGUE[name]
    if colon and not (octets.isdecimal() and fault.in_the_middle):
        placed = ", ".join(each.name for each in CATALOGUE.values() if each.in_the_middle)
        raise SettingsError(f"--fault {text}: a number of octets is for {placed}")
    if at and operation not in (*OPERATIONS, _FOR_ALL):
        known = ", ".join((*OPERATIONS, _FOR_ALL))
        raise SettingsError(f"--fault {text}: there is no operation {operation!r}; {known}")
    places = {"": _ENROLLING, _FOR_ALL: OPERATIONS}
    operations = places.get(operation) or (operation,)
    if fault.forge and not set(operations) & set(_ENROLLING):
        raise SettingsError(f"--fault {text}: no certificate is issued at {operation}")
    return Playing(fault, int(octets) if octets else None, operations)


class Faults:
    """Plays one fault, until it is ended.

    A server that first asks for credentials (401) does that as ever: else none would come, and
    nothing be issued.
    """

    def __init__(self, text: str, log: Log) -> None:
        """text: see find(). Raises SettingsError."""
        self._log = log
        self.play(text)

    def play(self, text: str | None, times: int | None = None) -> None:
        """Play another fault from now on; None: none. times: how often, then none; None: always.

        Raises SettingsError.
        """
        self.playing = find(text) if text else None
        self._left = times
        self.began: float | None = None  # time.monotonic() when it first began

    @property
    def about(self) -> str:
        """What is played, in one line, or "" where nothing is."""
        if self.playing is None:
            return ""
        where = " and ".join(self.playing.operations)
        return f"fault {self.playing.fault.name} at {where}: {self.playing.fault.about}"

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as the handler does, or spoil that."""
        playing = self.playing
        if playing is None or request.path.rpartition("/")[2] not in playing.operations:
            return await handler(request)
        if playing.fault.forge:
            request[FORGED] = playing.fault.forge
        response = await handler(request)
        asks = response.status == 401 and "Authorization" not in request.headers
        if asks or not isinstance(response, Written):
            return response
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                self.playing = None
        self.began = self.began or time.monotonic()
        self._log(event(f"fault {playing.fault.name} played", good=False))
        if playing.fault.spoil is None:
            return response
        octets = response.octets
        at = playing.fault.place(len(octets)) if playing.octets is None else playing.octets
        answer = Answer(octets, min(at, len(octets)), request.path)
        return _Spoiled(answer, playing.fault.spoil, closes=not playing.fault.keeps)


class _Spoiled(Written):
    """An answer that a fault writes."""

    def __init__(self, answer: Answer, spoil: Spoil, closes: bool) -> None:
        super().__init__(200, [], closes)
        self._answer, self._spoil = answer, spoil

    async def write_eof(self, data: bytes = b"") -> None:
        """Write it."""
        if self._transport is None:
            raise ConnectionResetError
        try:
            await self._spoil(Line(self._transport), self._answer)
        except asyncio.CancelledError:  # the server ends
            self._transport.abort()
            raise
