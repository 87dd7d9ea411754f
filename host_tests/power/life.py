"""Years of a simulated device's life: a board and a server in one simulated time, and what befalls
them. The board runs in its interpreter all the while; when it sleeps, the time jumps."""

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boots import MODES, Board, settings_for
from commands import Server, Servers
from estctl.server import RollOver
from estctl.timeline import Timeline

HOUR, DAY, YEAR = 3600, 86400, 31557600
AT_ONCE = 1e9  # --speed: no wait takes real time
RESET = 946684800  # 2000-01-01

# In parts of a root's life: when the next one is begun, and when the old one is retired. Issuing
# CAs live as long as their roots.
BEGIN, FINISH = 0.6, 0.9

# What the board runs. "until N HEX": when its certificate ends, and its serial number; "trusts
# HEX": its roots; "used HEX": a TLS server took this certificate; "unused": it did not, and why.
APP = """\
import asyncio
import json
import unix_time

with open("device.json") as file:
    host, port = json.load(file)["url"].split("/")[2].split(":")
# 401 without a client certificate, 400 with one, as there is no request in it.
ASKED = (
    "POST /.well-known/est/simpleenroll HTTP/1.1\\r\\nHost: %s\\r\\n"
    "Content-Type: application/pkcs10\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n"
) % host
used = []
using = []

async def use(identity):
    using.append(1)
    try:
        context = identity.ssl_context()
        serial = identity.status()["serial"]
        reader, writer = await asyncio.open_connection(
            host, int(port), ssl=context, server_hostname=host
        )
        writer.write(ASKED.encode())
        await writer.drain()
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        if answer.startswith(b"HTTP/1.1 400"):
            print("used", serial)
        else:
            print("unused", answer)
    except (OSError, ValueError) as error:
        print("unused", repr(error))
    finally:
        using.pop()

async def sleep(seconds, sleep=unix_time.sleep):
    while using:  # no time passes meanwhile
        await asyncio.sleep(0.01)
    await sleep(seconds)

def tell(identity):
    status = identity.status()
    print("until", status["not_after"], status["serial"])
    print("trusts", *status["trust"]["anchors"])
    if status["serial"] not in used:
        used.append(status["serial"])
        asyncio.create_task(use(identity))

async def main(identity):
    tell(identity)
    identity.on_change = tell
    unix_time.sleep = sleep
    await identity.keep_renewed()
"""


class Reboot(Exception):
    """The board loses its power while it sleeps."""


class Life:
    """A board, a server, their time, and a list of events.

    Attributes: timeline; chance (random.Random); gaps, a list of (from, to), Unix seconds in which
    the board had no valid certificate; down, a list of (from, to) without a server; boots, resets
    (of the clock), cuts (of the power while flash was written) and stops (with an error), all int;
    trusted, each set of roots that the board had, in turn; serials, of its certificates; used, of
    those that a TLS server took; unused, when it did not, and why; lines, what the board printed.
    """

    def __init__(
        self, folder: Path, servers: Servers, *server_options: str, seed: int = 7
    ) -> None:
        self.chance = random.Random(seed)
        self.folder, self._servers, self._options = folder, servers, server_options
        self.timeline = Timeline(folder / "time")
        self.server: Server | None = None
        self.gaps: list[tuple[float, float]] = []
        self.down: list[tuple[float, float]] = []
        self.lines: list[str] = []
        self.trusted: list[list[str]] = []
        self.serials: set[str] = set()
        self.used: set[str] = set()
        self.unused: list[tuple[float, str]] = []
        self.boots = self.resets = self.cuts = self.stops = 0
        self._up = False
        self._step: RollOver | None = None
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
        if self._step:
            options += ["--roll-over", self._step.value]
            self._step = None
        self.server = self._servers.start(
            self.folder / "server", *options, clock=self.timeline.world
        )
        self._up = True

    def stop_server(self) -> None:
        """End the server: an outage."""
        assert self.server
        self._servers.end(self.server.pid)
        self._up = False

    def roll_over(self, step: RollOver) -> None:
        """Begin or finish a rollover of the CA: at once, or when the outage is over."""
        self._step = step
        if self._up:
            self.stop_server()
            self.start_server()

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
        self.resets += 1
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
            # In the middle of one of the next renewals: each takes some 200 flash operations.
            cut = (self.chance.randrange(1, 1000), self.chance.choice(MODES))
            try:
                went = board.boot(
                    timeline=self.timeline,
                    speed=AT_ONCE,
                    on_sleep=self._sleep(end),
                    echo=self._see,
                    power_cut=cut,
                )
                if went.report and went.report["failure"] == "PowerCut":
                    self.cuts += 1
                else:
                    self.stops += 1
                    self._pass(HOUR)  # an error ended it: whoever has it turns it on again
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
        what, _, value = line.partition(" ")
        if what == "until":
            end, serial = value.split()
            self._until = float(end)
            self.serials.add(serial)
        elif what == "trusts" and value.split() not in self.trusted[-1:]:
            self.trusted.append(value.split())
        elif what == "used":
            self.used.add(value)
        elif what == "unused":
            self.unused.append((self.timeline.now(), value))


def root_days(years: float, rollovers: int) -> int:
    """Return how long roots last that make so many rollovers necessary in these years."""
    return math.ceil(1.03 * years * YEAR / DAY / (1 + BEGIN * rollovers))


def planned(life: Life, years: float, rollovers: int) -> float:
    """Plan rollovers, outages of days, reboots and lost clocks; return the end (Unix seconds)."""
    chance = life.chance
    start = when = life.timeline.now()
    end = start + years * YEAR
    while when < end - 60 * DAY:
        when += chance.uniform(20, 120) * DAY
        # One in eight is longer than a certificate has to live when it is to be renewed.
        days = chance.uniform(14, 40) if chance.random() < 1 / 8 else chance.uniform(0.5, 12)
        life.outage(when, when + days * DAY)
        when += (days + 13) * DAY
    when = start
    while when < end:
        when += chance.uniform(5, 90) * DAY
        life.at(when, chance.choice([life.reboot, life.lose_clock]))
    root = root_days(years, rollovers) * DAY
    for generation in range(rollovers):
        made = start + generation * BEGIN * root
        life.at(made + BEGIN * root, lambda: life.roll_over(RollOver.BEGIN))
        life.at(made + FINISH * root, lambda: life.roll_over(RollOver.FINISH))
    return end
