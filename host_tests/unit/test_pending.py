import os

import est_limits
import unix_time
from checks import raises
from devid import pending
from devid.settings import parse
from devid.store import Store
from est_errors import AuthError, NetworkError, RetryLater, ServerError

KEY, REQUEST = b"secret key", b"request"


def settings(**changes):
    values = {"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab"}}
    values.update(changes)
    return parse(values)


def log(level, text):
    assert "secret" not in text


def empty(name):
    """Return a Store in an empty folder."""
    for file in ("pending.der", "pending.new"):
        try:
            os.remove(name + "/" + file)
        except OSError:
            pass
    return Store(name)


def later(after):
    return RetryLater("not yet", 202, after)


def keep(store, error, key=KEY, request=REQUEST, wish=None):
    pending.refused(error, store, wish or settings(), est_limits, key, request)
    return error


def load(store, wish=None, limits=est_limits):
    return pending.load(store, wish or settings(), limits, log)


class At:
    """The clock so many seconds from now."""

    def __init__(self, seconds):
        self._seconds = seconds
        self._now = unix_time.now

    def __enter__(self):
        now = self._now
        unix_time.now = lambda: now() + self._seconds

    def __exit__(self, kind, error, traceback):
        unix_time.now = self._now


def test_too_early_is_refused_with_what_is_left_and_later_the_same_request_comes_back():
    store = empty("test_pending_a")
    keep(store, later(100))
    assert os.listdir("test_pending_a") == ["pending.der"]
    assert 99 <= pending.until(store) - unix_time.now() <= 100
    error = raises(RetryLater, load, store)
    assert 99 <= error.retry_after <= 100 and "asked again in" in str(error)
    with At(60):
        assert 39 <= raises(RetryLater, load, store).retry_after <= 40
    with At(101):
        assert load(store) == (KEY, REQUEST)
        keep(store, later(50))
        assert raises(RetryLater, load, store).retry_after <= 50
    pending.erase(store)
    assert load(store) == (None, None) and pending.until(store) is None


def test_a_clock_that_was_set_back_does_not_stop_the_device_for_years():
    store = empty("test_pending_b")
    with At(10 * 365 * 86400):
        keep(store, later(100))
    assert load(store) == (KEY, REQUEST)
    keep(store, later(100))
    with At(10 * 365 * 86400):
        assert load(store) == (KEY, REQUEST)


def test_a_busy_server_before_there_is_a_request():
    store = empty("test_pending_c")
    keep(store, RetryLater("busy", 503, 30), None, None)
    raises(RetryLater, load, store)
    with At(31):
        assert load(store) == (None, None)


def test_a_linked_request_is_made_anew_with_the_same_key():
    store = empty("test_pending_d")
    keep(store, later(1), KEY, lambda: None)
    with At(2):
        assert load(store) == (KEY, None)


def test_another_wish_is_another_request():
    store = empty("test_pending_e")
    for changes in ({"subject": "CN=y"}, {"url": "https://i"}, {"san": ["dns:x"]}):
        keep(store, later(100))
        assert load(store, settings(**changes)) == (None, None)
        assert os.listdir("test_pending_e") == []


def test_damage_and_half_a_file_are_as_good_as_none():
    store = empty("test_pending_f")
    keep(store, later(100))
    with open("test_pending_f/pending.der", "rb") as file:
        content = bytearray(file.read())
    content[40] ^= 1
    with open("test_pending_f/pending.der", "wb") as file:
        file.write(content)
    assert pending.until(store) is None
    assert load(store) == (None, None) and os.listdir("test_pending_f") == []
    keep(store, later(100))
    with open("test_pending_f/pending.new", "wb") as file:
        file.write(content[:50])
    raises(RetryLater, load, store)
    assert os.listdir("test_pending_f") == ["pending.der"]


def test_what_the_server_refuses_for_good_is_forgotten():
    store = empty("test_pending_g")
    for error, kept in (
        (ServerError("bad request", 400), False),
        (ServerError("label", 404), True),
        (ServerError("broken", 500), True),
        (AuthError("password", 401), True),
        (AuthError("forbidden", 403), True),
    ):
        keep(store, later(100))
        keep(store, error)
        assert (os.listdir("test_pending_g") == ["pending.der"]) is kept, error


def test_without_a_time_the_wait_doubles_with_full_jitter_within_bounds():
    first, most = est_limits.RETRY_FIRST, est_limits.RETRY_MAX
    for tries, bound in ((0, first), (1, 2 * first), (3, 8 * first), (99, most)):
        waits = [pending.backoff(tries, est_limits) for _ in range(64)]
        assert 1 <= min(waits) < bound // 2 < max(waits) <= bound, (tries, waits)
    store = empty("test_pending_h")
    error = keep(store, later(None))
    assert 1 <= error.retry_after <= first and "next time in" in str(error)
    longest = 0
    with At(most + 1):
        for _ in range(12):
            longest = max(longest, keep(store, later(None)).retry_after)
    assert longest > 4 * first
    with At(2 * most + 2):
        assert load(store) == (KEY, REQUEST)


def test_patience_waits_for_what_may_change():
    def patience(error, left=None):
        return pending.patience(error, 0, left, est_limits)

    assert patience(later(7)) == 7 and patience(later(7), 7) == 7
    assert 1 <= patience(NetworkError("down")) <= est_limits.RETRY_FIRST
    assert 1 <= patience(ServerError("broken", 502)) <= est_limits.RETRY_FIRST
    raises(RetryLater, patience, later(8), 7)
    raises(AuthError, patience, AuthError("no", 401))
    raises(ServerError, patience, ServerError("no", 400))
