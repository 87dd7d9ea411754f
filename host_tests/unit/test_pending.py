import os

import est_limits
import unix_time
from checks import raises, vector
from devid import DeviceIdentity, pending, record, schedule
from devid.settings import parse
from devid.store import IDENTITY, PENDING, Store
from est_errors import AuthError, NetworkError, RetryLater, ServerError, StorageError
from pki import cms

KEY, REQUEST = b"secret key", b"request"


def wish(**changes):
    values = {"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab"}}
    values.update(changes)
    return pending.wish(parse(values))


def log(level, text):
    assert "secret" not in text


def empty(name):
    """Return a Store in an empty folder."""
    Store(name).erase()
    return Store(name)


def later(after):
    return RetryLater("not yet", 202, after)


def refuse(store, error, key=KEY, request=REQUEST, most=None):
    """Keep a request, have it refused; return the error."""
    waiting = pending.keep(store, load(store), key, request)
    pending.refused(error, store, waiting, est_limits, most)
    return error


def load(store, wanted=None):
    return pending.load(store, wanted or wish(), log)


def left(store):
    return pending.too_early(load(store), est_limits, log)


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


def test_key_and_request_are_kept_before_they_are_sent():
    store = empty("test_pending_0")
    assert load(store) == pending.nothing(wish()) and left(store) == 0
    pending.keep(store, load(store), KEY, REQUEST)
    found = load(store)
    assert (found.key, found.request, found.certificate, found.until) == (KEY, REQUEST, b"", 0)
    refuse(store, NetworkError("down"), most=1)
    assert load(store).tries == 1
    refuse(store, NetworkError("down"), most=1)
    assert load(store).tries == 2, "those of a request"
    pending.keep(store, load(store), KEY, REQUEST, b"\x30\x00", [b"\x30\x01\x00"])
    found = load(store)
    assert found.tries == 0, "what came before says nothing of the certificate"
    assert (found.certificate, found.chain) == (b"\x30\x00", [b"\x30\x01\x00"])


def test_too_early_is_known_after_a_reboot_and_later_the_same_request_comes_back():
    store = empty("test_pending_a")
    refuse(store, later(100))
    assert 99 <= left(store) <= 100
    with At(60):
        assert 39 <= left(store) <= 40
    with At(101):
        found = load(store)
        assert left(store) == 0 and (found.key, found.request) == (KEY, REQUEST)
        assert "not yet" in found.reason
        refuse(store, later(50))
        assert 49 <= left(store) <= 50
    store.commit({PENDING: None})
    assert load(store) == pending.nothing(wish()) and pending.read(store) is None


def test_a_clock_that_was_set_back_does_not_stop_the_device_for_years():
    store = empty("test_pending_b")
    with At(10 * 365 * 86400):
        refuse(store, later(100))
    assert left(store) == 0 and load(store).request == REQUEST


def test_a_wait_of_our_own_is_believed_however_long_a_server_may_ask_for():
    class Limits:
        MAX_RETRY_AFTER = 100
        RETRY_FIRST = RETRY_MAX = 1000

    store = empty("test_pending_j")
    device = DeviceIdentity(
        parse({"url": "https://h", "subject": "CN=x", "storage": "test_pending_j"}), Limits
    )
    device._record = record.Record(
        KEY, cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)[0], []
    )
    for seconds, believed in ((900, True), (1010, False)):
        refuse(store, later(seconds))
        assert (pending.too_early(load(store), Limits, log) > 890) is believed
        device._asked = unix_time.now()
        assert (schedule.plan(device)[1] > unix_time.now() + 890) is believed


def test_a_busy_server_before_there_is_a_request():
    store = empty("test_pending_c")
    refuse(store, RetryLater("busy", 503, 30), b"", b"")
    assert 29 <= left(store) <= 30
    assert load(store).key == b"" and load(store).request == b""


def test_a_linked_request_is_made_anew_with_the_same_key():
    store = empty("test_pending_d")
    refuse(store, later(1), KEY, lambda: None)
    assert (load(store).key, load(store).request) == (KEY, b"")


def test_another_wish_is_another_request():
    store = empty("test_pending_e")
    refuse(store, later(100))
    for changes in ({"subject": "CN=y"}, {"url": "https://i"}, {"san": ["dns:x"]}):
        assert load(store, wish(**changes)).key == b""
    settings = parse({"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab"}})
    assert load(store, pending.wish(settings, b"certificate")).key == b"", "a renewal is another"
    assert load(store).key == KEY


def test_damage_is_as_good_as_none():
    store = empty("test_pending_f")
    refuse(store, later(100))
    octets = store.read(PENDING)
    # until and tries are the first two: below zero there is neither.
    at = 2 + octets[1]
    below_zero = (b"\x02\x01\xff" + octets[at:], octets[:at] + b"\x02\x01\xff" + octets[at + 3 :])
    for damaged in (octets[:-1], octets[1:], octets + b"\0", b"\0") + below_zero:
        store.commit({PENDING: (damaged,), IDENTITY: (b"stays",)})
        raises(StorageError, pending.read, store)
        assert load(store) == pending.nothing(wish())
    assert store.read(IDENTITY) == b"stays"


def test_what_the_server_refuses_for_good_is_forgotten():
    store = empty("test_pending_g")
    for error, kept in (
        (ServerError("bad request", 400), False),
        (ServerError("label", 404), True),
        (ServerError("broken", 500), True),
        (AuthError("password", 401), True),
        (AuthError("forbidden", 403), True),
        (NetworkError("down"), True),
    ):
        refuse(store, error)
        assert (load(store).request == REQUEST) is kept, error
        assert left(store) == 0, "only a server that says so makes a first enrolment wait"
        refuse(store, error, most=1000)
        assert 0 <= left(store) <= 1000


def test_without_a_time_the_wait_doubles_with_full_jitter_within_bounds():
    store = empty("test_pending_h")
    error = refuse(store, later(None))
    assert 1 <= error.retry_after <= est_limits.RETRY_FIRST and "next time in" in str(error)
    longest = 0
    for _ in range(12):
        longest = max(longest, refuse(store, later(None)).retry_after)
    assert longest > 4 * est_limits.RETRY_FIRST
    for _ in range(12):
        assert refuse(store, later(None), most=90).retry_after <= 90


def test_patience_waits_for_what_may_change():
    def patience(error, left=None):
        return pending.patience(error, 0, left, est_limits)

    assert patience(later(7)) == 7 and patience(later(7), 7) == 7
    assert 1 <= patience(NetworkError("down")) <= est_limits.RETRY_FIRST
    assert 1 <= patience(ServerError("broken", 502)) <= est_limits.RETRY_FIRST
    # Nor, later on, is an attempt further away than half the longest wait: nothing is valid yet.
    waits = [pending.patience(NetworkError("down"), 99, None, est_limits) for _ in range(64)]
    half = est_limits.RETRY_MAX // 2
    assert half // 2 < max(waits) <= half, waits
    raises(RetryLater, patience, later(8), 7)
    raises(AuthError, patience, AuthError("no", 401))
    raises(ServerError, patience, ServerError("no", 400))


def test_nothing_secret_is_in_what_is_told():
    store = empty("test_pending_i")
    error = refuse(store, later(100))
    assert "secret" not in str(error) + load(store).reason
    store.erase()
    assert os.listdir("test_pending_i") == []
