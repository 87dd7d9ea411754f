"""devid.clock with a board's clock and network, which no host has, stood in for."""

import sys

import unix_time
from checks import araises
from devid import clock
from est_errors import NetworkError, TrustError

YEAR_2000 = 946684800
YEAR = 31557600


class Board:
    """A board whose clock says `now`; `network` is what NTP says (None: no answer)."""

    def __init__(self, now, network=None, has_clock=True):
        self.now = now
        self.network = network
        self.asked = 0
        self.log = []
        self._real = unix_time.time
        self._modules = {name: sys.modules.get(name) for name in ("machine", "ntptime")}
        unix_time.time = self
        sys.modules["machine"] = self if has_clock else object()
        sys.modules["ntptime"] = Network(self)

    def gmtime(self, seconds):
        return self._real.gmtime(seconds)

    def time(self):
        return self.now

    def RTC(self):
        return self

    def datetime(self, parts):
        year, month, day, _, hour, minute, second, _ = parts
        self.now = unix_time.from_date(year, month, day, hour, minute, second)

    async def ensure(self, known=0, latest=None, server="ntp.example", assumed=False):
        def log(*line):
            self.log.append(line)

        return await clock.ensure(server, known, latest, log, assumed)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        unix_time.time = self._real
        for name, module in self._modules.items():
            if module:
                sys.modules[name] = module
            else:
                del sys.modules[name]


class Network:
    host = None

    def __init__(self, board):
        self._board = board

    def time(self):
        self._board.asked += 1
        if self._board.network is None:
            raise OSError(110)
        return self._board.network


async def test_a_clock_that_may_be_right_is_left_alone():
    now = clock.floor() + YEAR
    with Board(now, now + 99) as board:
        assert await board.ensure() is False
        assert (board.now, board.asked) == (now, 0)


async def test_the_network_sets_a_clock_that_was_reset():
    right = clock.floor() + YEAR
    for start in (0, YEAR_2000, clock.floor() - 1):
        with Board(start, right) as board:
            assert await board.ensure() is False
            assert board.now == right and board.log[0][0] == 20 and "by NTP" in board.log[0][1]


async def test_a_time_before_what_is_known_is_not_taken():
    known = clock.floor() + 2 * YEAR
    with Board(YEAR_2000, known - 1) as board:
        assert await board.ensure(known) is True
        assert board.now == known, "the latest known time stands in"
        assert "no plausible time" in board.log[0][1] and "stands in" in board.log[1][1]


async def test_a_time_after_every_anchor_is_not_taken():
    latest = clock.floor() + 10 * YEAR
    for said in (latest + 1, clock.floor() + 60 * YEAR):
        with Board(YEAR_2000, said) as board:
            assert await board.ensure(0, latest if said == latest + 1 else None) is True
            assert board.now == clock.floor()


async def test_without_a_network_the_latest_known_time_stands_in():
    known = clock.floor() + YEAR
    with Board(YEAR_2000) as board:
        assert await board.ensure(known, server=None) is True
        assert (board.now, board.asked) == (known, 0)


async def test_a_time_that_stands_in_goes_on_until_the_network_answers():
    known = clock.floor() + YEAR
    with Board(YEAR_2000) as board:
        assert await board.ensure(known) is True
        board.now += 60
        assert await board.ensure(known, assumed=True) is True
        assert (board.now, board.asked) == (known + 60, 6), "it is not set back"
        board.network = known + YEAR
        assert await board.ensure(known, assumed=True) is False
        assert board.now == known + YEAR
        # Where nobody is to be asked, whoever sets the clock has done so.
        assert await board.ensure(known, server=None, assumed=True) is False


async def test_a_port_whose_clock_cannot_be_set_says_so():
    with Board(YEAR_2000, has_clock=False) as board:
        text = str(await araises(TrustError, board.ensure(server=None)))
        assert "clock: the clock is not set: it says 2000-01-01 00:00:00Z" in text


async def test_no_answer_is_one_clear_error():
    with Board(YEAR_2000) as board:
        error = await araises(NetworkError, clock.set_from_network("ntp.example"))
        assert "ntp.example gave no plausible time" in str(error) and board.asked == 3
