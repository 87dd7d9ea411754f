"""Years of a simulated device's life: a board and a server in one simulated time, and what befalls
them. The board runs in its interpreter all the while; when it sleeps, the time jumps."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boots import Board, settings_for
from commands import Server, Servers
from estctl.timeline import Timeline

HOUR, DAY = 3600, 86400
AT_ONCE = 1e9  # --speed: no wait takes real time
RESET = 946684800  # 2000-01-01

# What the board runs. Each line "until N" says when its certificate ends.
APP = """\
def tell(identity):
    print("until", identity.status()["not_after"])

async def main(identity):
    tell(identity)
    identity.on_change = tell
    await identity.keep_renewed()
"""


class Reboot(Exception):
    """The board loses its power while it sleeps."""


class Life:
    """A board, a server, their time, and a list of events.

    Attributes: timeline; gaps, a list of (from, to), Unix seconds in which the board had no valid
    certificate; renewals and boots (int); lines, what the board printed.
    """

    def __init__(self, folder: Path, servers: Servers, *server_options: str) -> None:
        self.folder, self._servers, self._options = folder, servers, server_options
        self.timeline = Timeline(folder / "time")
        self.server: Server | None = None
        self.gaps: list[tuple[float, float]] = []
        self.down: list[tuple[float, float]] = []
        self.lines: list[str] = []
        self.renewals = self.boots = 0
        self._events: list[tuple[float, Callable[[], None]]] = []
        self._until = 0.0

    def at(self, when: float, event: Callable[[], None]) -> None:
        """Have something happen at a time of the world."""
        self._events.append((when, event))
        self._events.sort(key=lambda each: each[0])

    def start_server(self) -> None:
        """Start the server, with a TLS certificate that is new; on the same port each time."""
        for name in ("server.pem", "server.key"):
            (self.folder / "server" / name).unlink(missing_ok=True)
        port = self.server.url.rpartition(":")[2] if self.server else "0"
        options = [*self._options, "--port", port]
        self.server = self._servers.start(
            self.folder / "server", *options, clock=self.timeline.world
        )

    def stop_server(self) -> None:
        """End the server: an outage."""
        assert self.server
        self._servers.end(self.server.pid)

    def outage(self, begin: float, end: float) -> None:
        """Plan an outage of the server."""
        self.down.append((begin, end))
        self.at(begin, self.stop_server)
        self.at(end, self.start_server)

    def reboot(self) -> None:
        """Cut the board's power while it sleeps."""
        raise Reboot

    def lose_clock(self) -> None:
        """Cut the power, and the clock's too."""
        self.timeline.set_board(RESET)
        raise Reboot

    def live(self, interpreter: str, end: float, app: str = APP, **settings: Any) -> None:
        """Let the board live until a time of the world."""
        assert self.server
        wish, stored = settings_for(self.server)
        wish["ntp"] = "time.example"  # the shim answers, with the world's time
        wish.update(settings)
        board = Board(self.folder / "board.img", wish, stored, interpreter, app)
        while self.timeline.now() < end:
            self.boots += 1
            try:
                board.boot(
                    timeline=self.timeline,
                    speed=AT_ONCE,
                    on_sleep=self._sleep(end),
                    echo=self._see,
                )
                self._pass(HOUR)  # it stopped with an error: whoever has it turns it on again
            except Reboot:
                continue

    def _sleep(self, end: float) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            self._pass(seconds)
            if self.timeline.now() >= end:
                raise Reboot

        return sleep

    def _pass(self, seconds: float) -> None:
        """Let time pass, with what happens in it."""
        end = self.timeline.now() + seconds
        while self._events and self._events[0][0] <= end:
            when, event = self._events.pop(0)
            self._advance(when)
            event()
        self._advance(end)

    def _advance(self, when: float) -> None:
        now = self.timeline.now()
        if when <= now:
            return
        if self._until and self._until < when:
            begin = max(now, self._until)
            if self.gaps and begin - self.gaps[-1][1] < 60:
                self.gaps[-1] = (self.gaps[-1][0], when)
            else:
                self.gaps.append((begin, when))
        self.timeline.set(when)

    def _see(self, line: str) -> None:
        self.lines.append(line)
        found = re.fullmatch(r"until ([0-9]+)", line)
        if found and float(found[1]) != self._until:
            self._until = float(found[1])
            self.renewals += 1


def planned(life: Life, years: float, seed: int) -> float:
    """Plan outages of days, reboots and lost clocks over years; return the end (Unix seconds)."""
    chance = random.Random(seed)
    start = when = life.timeline.now()
    end = start + years * 365.25 * DAY
    while when < end - 60 * DAY:
        when += chance.uniform(20, 120) * DAY
        life.outage(when, when + chance.uniform(0.5, 12) * DAY)
        when += 13 * DAY
    when = start
    while when < end:
        when += chance.uniform(5, 90) * DAY
        life.at(when, chance.choice([life.reboot, life.lose_clock]))
    return end
