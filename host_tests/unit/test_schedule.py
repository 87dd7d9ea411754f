import est_limits
import unix_time
from checks import araises, vector
from devid import DeviceIdentity, keeper, record, schedule, session
from devid.settings import parse
from pki import cms, x509

CERTIFICATE = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)[0]
PARSED = x509.Certificate(CERTIFICATE)
START, END = PARSED.not_before, PARSED.not_after
LIFE = END - START
_DIGITS = "".join(c for c in unix_time.text(END)[2:] if c.isdigit()).encode()
# The same, but it ends in February, and not in May.
ABOVE = CERTIFICATE.replace(_DIGITS + b"Z", _DIGITS[:2] + b"02" + _DIGITS[4:] + b"Z")


def test_a_certificate_is_due_before_two_thirds_of_its_life_are_over():
    due, end = schedule.renewal(CERTIFICATE, 2 / 3)
    assert end == END
    assert LIFE * 2 // 3 - LIFE // 10 - 4 <= due - START <= LIFE * 2 // 3 + 4
    assert schedule.renewal(CERTIFICATE, 2 / 3) == (due, end), "it is the same each time"


def test_a_certificate_ends_no_later_than_what_is_above_it():
    # 99991231235959Z would be legal, too (RFC 5280 4.1.2.5): the chain says when to renew.
    end = x509.Certificate(ABOVE).not_after
    assert START < end < END
    assert schedule.renewal(CERTIFICATE, 2 / 3, [ABOVE])[1] == end
    assert (
        schedule.renewal(CERTIFICATE, 2 / 3, [ABOVE])[0] < schedule.renewal(CERTIFICATE, 2 / 3)[0]
    )
    assert schedule.renewal(ABOVE, 2 / 3, [CERTIFICATE])[1] == end


def test_the_share_is_the_owners_choice():
    early, late = schedule.renewal(CERTIFICATE, 0.3)[0], schedule.renewal(CERTIFICATE, 0.8)[0]
    assert abs((late - early) - LIFE // 2) < LIFE // 1000


def test_each_device_has_its_own_part_of_a_tenth():
    unique_id = schedule._unique_id
    found = set()
    try:
        for number in range(200):
            schedule._unique_id = lambda number=number: bytes((number,))
            found.add(schedule.renewal(CERTIFICATE, 2 / 3)[0])
    finally:
        schedule._unique_id = unique_id
    assert len(found) > 190
    spread = max(found) - min(found)
    assert LIFE // 10 * 8 // 10 < spread <= LIFE // 10


def test_the_wait_doubles_with_full_jitter_within_bounds():
    first, most = est_limits.RETRY_FIRST, est_limits.RETRY_MAX
    for tries, bound in ((0, first), (1, 2 * first), (3, 8 * first), (99, most)):
        waits = [schedule.backoff(tries, first, most) for _ in range(64)]
        assert 1 <= min(waits) < bound // 2 < max(waits) <= bound, (tries, waits)


def test_what_was_done_by_a_clock_that_was_set_back_delays_nothing():
    device = DeviceIdentity(parse({"url": "https://h", "subject": "CN=x", "storage": "none"}))
    device._record = record.Record(b"key", CERTIFICATE, [])
    due = schedule.renewal(CERTIFICATE, 0.667)[0]
    with Before(86400):
        now = unix_time.now()
        device._asked = now
        assert schedule.plan(device) == ("renew", due)
        device._renewed = now
        assert schedule.plan(device) == ("renew", now + 43200)
        device._asked = device._renewed = now + 1
        assert schedule.plan(device) == ("refresh", 0)
        device._asked = now
        assert schedule.plan(device) == ("renew", due)


class Before:
    """The clock so many seconds before the certificate ends; negative: after that."""

    def __init__(self, left):
        self._left = left

    def __enter__(self):
        self._now = unix_time.now
        unix_time.now = lambda: END - self._left
        return self

    def __exit__(self, kind, error, traceback):
        unix_time.now = self._now


def test_the_longest_wait_is_a_part_of_the_life():
    class Limits:
        RETRY_MAX = 43200

    with Before(LIFE):
        assert schedule.longest_wait(CERTIFICATE, Limits) == 43200
        Limits.RETRY_MAX = 1 << 40
        assert schedule.longest_wait(CERTIFICATE, Limits) == LIFE // 25


def test_no_wait_is_longer_than_half_of_what_is_left_or_half_of_the_time_since():
    cases = ((LIFE, 43200), (86400, 43200), (3601, 1800), (2, 1), (1, 1), (0, 1))
    for left, longest in cases + ((-1, 1), (-3601, 1800), (-43200, 21600), (-LIFE, 21600)):
        with Before(left):
            assert schedule.longest_wait(CERTIFICATE, est_limits) == longest, left
    # It is of no use any more when what is above it has ended.
    with Before(END - x509.Certificate(ABOVE).not_after + 7200):
        assert schedule.longest_wait(CERTIFICATE, est_limits, [ABOVE]) == 3600
        assert schedule.longest_wait(ABOVE, est_limits, [CERTIFICATE]) == 3600


async def test_a_new_certificate_that_is_due_already_is_not_renewed_without_a_pause():
    settings = parse({"url": "https://h", "subject": "CN=x", "storage": "test_schedule"})
    device = DeviceIdentity(settings)
    times = []

    class Ended(Exception):
        pass

    async def once():
        times.append(unix_time.now())
        if times[-1] > END or len(times) > 200:
            raise Ended
        device._asked = times[-1]
        # Each new one ends with its CA.
        await session.commit(device, b"key", CERTIFICATE, [])

    async def sleep(seconds):
        clock._left -= seconds

    device._once, real = once, unix_time.sleep
    unix_time.sleep = sleep
    try:
        with Before(30 * 86400) as clock:
            await once()
            await araises(Ended, keeper.run(device))
    finally:
        unix_time.sleep = real
    assert 60 <= len(times) <= 90, len(times)
    assert times[1] - times[0] == est_limits.RETRY_MAX
    for left in (86400, 3600, 60, 5):
        assert [when for when in times if END - left <= when <= END], left
