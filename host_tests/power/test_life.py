"""A simulated device lives for years in simulated time; and the pieces that make that time."""

import re
import subprocess
import sys

import pytest
from boots import Board, settings_for
from commands import Servers, estctl
from estctl import flash, interpreters
from estctl.timeline import Timeline
from life import AT_ONCE, DAY, HOUR, RESET, Life, Reboot, planned, root_days


@pytest.fixture
def servers():
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(autouse=True)
def _faketime(tmp_path):
    clock = Timeline(tmp_path / "probe").world
    if not interpreters.can_fake_time("unix") or interpreters.python_in(clock) is None:
        pytest.skip("simulated time needs what `make setup` unpacks from Debian's packages")


def test_this_python_lives_in_the_time_of_a_file(tmp_path):
    timeline = Timeline(tmp_path / "time")
    command, environment = interpreters.python_in(timeline.world)
    timeline.advance(1000 * DAY)
    done = subprocess.run(
        [*command, "-c", "import time; print(time.time())"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert abs(float(done.stdout) - timeline.now()) < 30
    assert sys.executable in command


def test_a_board_whose_clock_was_reset_gets_the_worlds_time(servers, tmp_path):
    life = Life(tmp_path, servers)
    life.timeline.advance(500 * DAY)
    life.start_server()
    settings, stored = settings_for(life.server)
    board = Board(tmp_path / "board.img", {**settings, "ntp": "time.example"}, stored)
    life.timeline.set_board(RESET)
    went = board.boot(timeline=life.timeline)
    assert went.report["failure"] is None, went.lines
    assert any(line.startswith("clock: set to") for line in went.lines), went.lines
    assert abs(life.timeline.board_now() - life.timeline.now()) < 60
    begin = went.report["status"]["not_before"]
    assert abs(begin - life.timeline.now()) < HOUR, "the server lives in the same time"


def without_a_clock(servers, folder, interpreter="micropython", server="no-ntp", **change):
    """Return the life and the new board of a world in which no time server answers rightly."""
    life = Life(folder, servers)
    life.timeline.advance(500 * DAY)
    life.start_server()
    settings, _ = settings_for(life.server)
    settings.update({"trust": {"fingerprint": life.server.fingerprint}, "ntp": "time.example"})
    (life.timeline.folder / server).touch()
    life.timeline.set_board(RESET)
    return life, Board(folder / "board.img", {**settings, **change}, {}, interpreter)


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
@pytest.mark.parametrize(
    ("server", "told", "clock"),
    [
        ("no-ntp", "is not valid yet", "; the clock is not set, "),
        ("wrong-ntp", "has expired", "; the clock is set by NTP to "),
    ],
)
def test_a_board_whose_clock_is_not_right_waits_for_a_time_server(
    servers, tmp_path, interpreter, server, told, clock
):
    life, board = without_a_clock(servers, tmp_path, interpreter, server)
    waits = []

    def on_sleep(seconds):
        waits.append(seconds)
        life.timeline.advance(seconds)
        if len(waits) == 2:
            (life.timeline.folder / server).unlink()

    went = board.boot(timeline=life.timeline, speed=AT_ONCE, on_sleep=on_sleep)
    assert went.report["failure"] is None, went.lines
    told = [line for line in went.lines if told in line]
    assert len(told) == 2 and all(clock in line for line in told), went.lines
    assert all(re.search(r"; trying again in [0-9]+ s$", line) for line in told), told
    assert any(line.startswith("clock: set to") for line in went.lines), went.lines
    assert "identity: enrolled" in went.lines and len(waits) == 2


@pytest.mark.parametrize("change", [{"max_wait": 0}, {"ntp": False}])
def test_it_does_not_wait_where_nothing_would_set_its_clock(servers, tmp_path, change):
    life, board = without_a_clock(servers, tmp_path, **change)
    went = board.boot(timeline=life.timeline, speed=AT_ONCE, on_sleep=lambda seconds: None)
    assert went.report["failure"] == "TrustError", went.lines
    assert "is not valid yet" in went.report["error"]


def test_the_server_sees_a_certificate_expire_as_time_goes_on(servers, tmp_path):
    life = Life(tmp_path, servers, "--days", "30")
    life.start_server()
    settings, stored = settings_for(life.server)
    board = Board(tmp_path / "board.img", settings, stored)
    first = board.boot(timeline=life.timeline)
    life.timeline.advance(15 * DAY)
    assert board.boot(timeline=life.timeline).lines[1] == "identity: unchanged"
    life.timeline.advance(20 * DAY)
    again = board.boot(timeline=life.timeline)
    assert "identity: renewed" in again.lines, again.lines
    assert any("enrolling anew" in line for line in again.lines), again.lines
    assert again.report["status"]["serial"] != first.report["status"]["serial"]


def test_an_outage_that_ends_an_hour_before_the_certificate_leaves_no_gap(servers, tmp_path):
    life = Life(tmp_path, servers, "--days", "30")
    life.start_server()
    start = life.timeline.now()
    life.outage(start + 15 * DAY, start + 30 * DAY - HOUR)
    life.live("micropython", start + 32 * DAY)
    assert len(life.serials) == 2 and not life.gaps, (life.gaps, life.lines)


def test_an_outage_that_ends_just_after_the_certificate_leaves_a_short_gap(servers, tmp_path):
    life = Life(tmp_path, servers, "--days", "30")
    life.start_server()
    start = life.timeline.now()
    life.outage(start + 15 * DAY, start + 30 * DAY + 600)
    life.live("micropython", start + 32 * DAY)
    ((begin, finish),) = life.gaps
    assert finish - begin < 600 + HOUR and len(life.serials) == 2, (life.gaps, life.lines)


# An application that leaves too little of the heap even for a plan of what comes next.
GREEDY = """
import gc

held = []

async def main(identity):
    gc.collect()
    size = 1 << 20
    while size > 256:
        try:
            while gc.mem_free() - size > 24000:
                held.append(bytearray(size))
        except MemoryError:
            pass
        size //= 2
    await identity.keep_renewed()
"""


def test_with_too_little_memory_it_waits_and_wears_no_flash(servers, tmp_path):
    life = Life(tmp_path, servers, "--days", "30")
    life.start_server()
    settings, stored = settings_for(life.server)
    board = Board(tmp_path / "board.img", settings, stored, "micropython32", GREEDY)
    end = life.timeline.now() + DAY // 2
    lines, waits = [], []

    def on_sleep(seconds):
        waits.append(seconds)
        life.timeline.advance(seconds)
        if life.timeline.now() >= end:
            raise Reboot

    with pytest.raises(Reboot):
        board.boot(
            timeline=life.timeline,
            speed=AT_ONCE,
            on_sleep=on_sleep,
            echo=lines.append,
            heap="128k",
        )
    assert 3 < len(waits) < 60, waits
    assert not any("damaged" in line for line in lines), lines
    with flash.opened(board.image) as chip:
        slots = [path.read_bytes() for path in (chip.folder / "identity").glob("*.slot")]
        (chip.folder / "app.py").write_text("async def main(identity):\n    pass\n")
        chip.put()
    written = max(int.from_bytes(slot[4:8], "big") for slot in slots)
    assert written < 10 + 3 * len(waits)
    assert "identity: unchanged" in board.boot(timeline=life.timeline).lines


def test_a_rollover_by_hand_as_the_readme_says(servers, tmp_path):
    clock = ["--clock", tmp_path / "time"]
    folder = tmp_path / "server"

    def started(*options):
        return servers.start(folder, *map(str, clock), "--days", "30", "--port", port, *options)

    def boot(*options):
        done = estctl("device", "--json", "--flash", tmp_path / "board", *clock, *options)
        assert done.status == 0, done.err
        return done.json

    port = "0"
    server = started()
    port = server.url.rpartition(":")[2]
    subject = ["--subject", "CN=pump"]
    first = boot(*server.pinned, *server.credential, *subject)
    assert first["trust"]["anchors"] == [server.fingerprint]
    servers.end(server.pid)
    new = started("--roll-over", "begin")
    assert new.fingerprint != server.fingerprint
    # It renews, and both keys count from now on.
    second = boot("--advance", "21")
    assert sorted(second["trust"]["anchors"]) == sorted([server.fingerprint, new.fingerprint])
    assert second["issuer"] == "CN=micropython-est development issuing CA 2"
    servers.end(new.pid)
    last = started("--roll-over", "finish")
    third = boot("--advance", "21")
    assert third["trust"]["anchors"] == [new.fingerprint] == [last.fingerprint]
    assert len({each["serial"] for each in (first, second, third)}) == 3


@pytest.mark.timeout(3600)
def test_a_device_lives_for_years_and_through_rollovers_of_its_ca(
    servers, tmp_path, request, capsys
):
    years, rollovers = (10, 2) if request.config.getoption("--torture") else (0.8, 1)
    roots = str(root_days(years, rollovers))
    life = Life(tmp_path, servers, "--days", "30", "--root-days", roots)
    life.start_server()
    end = planned(life, years, rollovers)
    life.live("micropython", end)
    lost = sum(b - a for a, b in life.gaps) / DAY
    forced = sum(max(0, min(f, b) - max(a, x)) for a, f in life.gaps for x, b in life.down) / DAY
    with capsys.disabled():
        print(
            f"\n{years} years: {len(life.serials)} certificates, {len(life.used)} used in TLS,"
            f" {life.boots} boots, {life.resets} clocks reset, {life.cuts} power cuts,"
            f" {len(life.down)} outages, {rollovers} rollovers ({roots} days each root);"
            f" {len(life.gaps)} gaps, {lost:.1f} days in all,"
            f" {forced:.1f} of them without a server"
        )
    assert len(life.serials) > years * 10 and life.stops == 0
    # One root, then it and the next one, then that alone: nobody lent a hand.
    assert [len(roots) for roots in life.trusted] == [1] + [2, 1] * rollovers
    assert life.trusted[-1] == [life.server.fingerprint]
    assert len({roots[0] for roots in life.trusted[::2]}) == rollovers + 1
    for begin, finish in life.gaps:
        forced = sum(max(0, min(finish, b) - max(begin, a)) for a, b in life.down)
        # It had none because an outage was longer than the rest of its life, and for nothing else.
        assert any(a <= begin <= b for a, b in life.down), (begin, finish, life.lines[-40:])
        # An expired certificate is replaced at the next attempt: six hours, and one more.
        assert finish - begin - forced < 7.5 * HOUR, (begin, finish, forced, life.lines[-40:])
    for when, why in life.unused:
        assert any(a <= when <= b for a, b in life.down), (when, why, life.lines[-40:])
    assert len(life.used) > len(life.serials) * 0.9
