"""devid.clock with a board's clock and network, which no host has, stood in for."""

import sys

import unix_time
from checks import araises
from devid import clock
from est_errors import ApprovalNeeded, NetworkError, TrustError

YEAR_2000 = 946684800
YEAR = 31557600
SECOND_0 = 2085978496  # of NTP, as its second era begins
AFTER_2038 = 1 << 31


class Settings:
    ntp = None


class Board:
    """A board whose clock says `now`; `network` is what NTP says, or the error of ntptime.

    As a device it has what devid.clock looks at.
    """

    def __init__(self, now, network=None, has_clock=True):
        self.now = now
        self.network = network or OSError(110)
        self.asked = 0
        self.log = []
        self.clock_assumed, self._lead = False, None
        self._settings = Settings()
        self._real = unix_time.time, clock.asyncio
        self._modules = {name: sys.modules.get(name) for name in ("machine", "ntptime")}
        unix_time.time = clock.asyncio = self
        sys.modules["machine"] = self if has_clock else object()
        sys.modules["ntptime"] = Network(self)

    def gmtime(self, seconds):
        return self._real[0].gmtime(seconds)

    def time(self):
        return self.now

    async def sleep(self, seconds):
        pass  # between two questions

    def RTC(self):
        return self

    def datetime(self, parts):
        year, month, day, _, hour, minute, second, _ = parts
        self.now = unix_time.from_date(year, month, day, hour, minute, second)

    def _log(self, *line):
        self.log.append(line)

    async def ensure(self, known=0, latest=None, server="ntp.example", last=0):
        """Return whether the latest known time stands in."""
        self._settings.ntp = server
        await clock.ensure(self, known, last, latest)
        return self.clock_assumed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        unix_time.time, clock.asyncio = self._real
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
        if isinstance(self._board.network, Exception):
            raise self._board.network
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


async def test_what_is_no_answer_is_not_taken():
    # A kiss of death, as ntptime has it in each era; a short datagram; what no port can count to.
    for said in (SECOND_0, SECOND_0 - (1 << 32), ValueError(), IndexError(), OverflowError()):
        with Board(YEAR_2000, said) as board:
            assert await board.ensure(0, clock.floor() + 99 * YEAR) is True
            assert (board.now, board.asked) == (clock.floor(), 3), said
            assert "gave no plausible time (no time)" in board.log[0][1]
    with Board(YEAR_2000, SECOND_0 - 1) as board:
        assert await board.ensure(0, clock.floor() + 99 * YEAR) is False


async def test_a_time_that_a_port_of_32_bits_takes_for_1901_is_not_taken():
    with Board(YEAR_2000, AFTER_2038) as board:
        assert await board.ensure(0, AFTER_2038 + YEAR) is True
        assert board.now == clock.floor() and "(a time after 2038)" in board.log[0][1]
        board.network = AFTER_2038 - 1
        assert await board.ensure(0, AFTER_2038 + YEAR) is False
    with Board(YEAR_2000) as board:
        await araises(TrustError, board.ensure(AFTER_2038))
        assert board.now == YEAR_2000


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
        assert await board.ensure(known) is True
        assert (board.now, board.asked) == (known + 60, 6), "it is not set back"
        board.network = known + YEAR
        assert await board.ensure(known) is False
        assert board.now == known + YEAR


async def test_a_time_that_stands_in_goes_on_until_somebody_sets_the_clock():
    known = clock.floor() + YEAR
    with Board(YEAR_2000) as board:
        assert await board.ensure(known, server=None) is True
        # The ticks of 32-bit ports begin anew meanwhile.
        for seconds in (0, 60, 1073741, 3 * 1073741):
            board.now = known + seconds
            assert await board.ensure(known, server=None) is True, seconds
        board.now = known + 3600
        assert await board.ensure(known, server=None) is False
        assert await board.ensure(known) is False and board.asked == 0


async def test_what_was_kept_stands_in_and_overrules_no_other_clock():
    right = clock.floor() + YEAR
    with Board(YEAR_2000) as board:
        assert await board.ensure(last=right + YEAR) is True and board.now == right + YEAR
        # It was wrong: NTP says so, or whoever set the clock.
        board.network = right
        assert await board.ensure(last=right + YEAR) is False and board.now == right
    for network in (None, right + 9):
        with Board(right, network) as board:
            assert await board.ensure(last=right + YEAR) is False
            assert board.now == (network or right)
            assert await board.ensure(last=right + YEAR, server=None) is False


async def test_the_network_is_asked_again_where_no_server_is_trusted_by_what_it_said():
    from devid import DeviceIdentity

    right = clock.floor() + YEAR
    with Board(YEAR_2000, right - 99) as board:
        assert await board.ensure() is False
        board.network = right
        assert await board.ensure() is False and board.asked == 1
        with_clock = DeviceIdentity._with_clock
        for error in (NetworkError("down"), ApprovalNeeded("CN=x", "ab")):
            assert str(with_clock(board, error)) == str(error) and not board.clock_assumed
        assert "; the clock is set by NTP to 20" in str(with_clock(board, TrustError("no")))
        assert await board.ensure() is False
        assert (board.now, board.asked) == (right, 2)
        # A clock that somebody else has set is nobody's here to doubt.
        board.now = right + YEAR
        assert await board.ensure() is False
        assert str(with_clock(board, TrustError("no"))) == "no" and not board.clock_assumed


async def test_a_port_whose_clock_cannot_be_set_says_so():
    with Board(YEAR_2000, has_clock=False) as board:
        text = str(await araises(TrustError, board.ensure(server=None)))
        assert "clock: the clock is not set: it says 2000-01-01 00:00:00Z" in text


async def test_no_answer_is_one_clear_error():
    with Board(YEAR_2000) as board:
        error = await araises(NetworkError, clock.set_from_network("ntp.example"))
        assert "ntp.example gave no plausible time" in str(error) and board.asked == 3
