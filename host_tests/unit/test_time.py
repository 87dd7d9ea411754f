import est_limits
import unix_time
from checks import raises
from devid import clock
from est_refusal import retry_after

NOW = 784111777 - 100  # 1994-11-06 08:49:37 is RFC 9110's example


def test_unix_time_of_dates():
    assert unix_time.from_date(1970, 1, 1) == 0
    assert unix_time.from_date(2000, 2, 29, 12, 30, 15) == 951827415
    assert unix_time.from_date(1994, 11, 6, 8, 49, 37) == 784111777
    assert unix_time.from_date(9999, 12, 31, 23, 59, 59) == 253402300799


def test_unix_time_as_text():
    assert unix_time.text(784111777) == "1994-11-06 08:49:37Z"
    assert unix_time.text(0) == "1970-01-01 00:00:00Z"
    assert unix_time.text(2147483647) == "2038-01-19 03:14:07Z"
    # What the gmtime() of a port with 32 bits raises at, or tells wrongly.
    for late in (2147483648, 253402300799, 1 << 70):
        assert unix_time.text(late) == "a time after 2038"
    for early in (-1 << 31, -62135596800, -1 << 70):
        assert unix_time.text(early - 1) == "a time before 1902"


def test_the_clock_of_this_machine_is_plausible():
    assert clock.plausible()
    assert clock.floor() <= unix_time.now() < 1 << 32


def test_retry_after_in_seconds_and_as_a_date():
    assert retry_after("120", NOW) == 120
    assert retry_after("0", NOW) == 0
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT", NOW) == 100
    assert retry_after("Sun, 06 Nov 1994 08:47:00 GMT", NOW) == 0  # it has passed


def test_retry_after_in_the_older_forms_of_dates():
    """RFC 9110 5.6.7: whoever reads a date has to take them."""
    assert retry_after("Sunday, 06-Nov-94 08:49:37 GMT", NOW) == 100
    assert retry_after("Sun Nov  6 08:49:37 1994", NOW) == 100
    later = unix_time.from_date(2044, 11, 6, 8, 49, 37)
    assert retry_after("Sunday, 06-Nov-44 08:49:37 GMT", later - 7) == 7


def test_a_retry_after_that_is_none():
    for bad in (
        None,
        "",
        "-5",
        "1.5",
        "soon",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, x Nov 1994 08:49:37 GMT",
        "Sun Foo  6 08:49:37 1994",
        "Sun Nov  6 1994",
    ):
        assert retry_after(bad, NOW) is None, bad


def test_a_date_with_an_endless_number_is_none():
    assert retry_after("Sun, 06 Nov 1994" + "0" * 5000 + " 08:49:37 GMT", NOW) is None


def test_an_endless_number_is_cut():
    assert retry_after("9" * 500, NOW) == 999999999


def test_every_limit_has_a_number():
    for name in dir(est_limits):
        if name[0] != "_":
            assert getattr(est_limits, name) > 0, name
    raises(AttributeError, getattr, est_limits, "NO_SUCH_LIMIT")


def test_a_port_whose_time_counts_from_2000():
    real = unix_time.time

    class Since2000:
        """`time` as ESP32 has it."""

        @staticmethod
        def gmtime(seconds):
            return real.gmtime(seconds + 946684800)

        @staticmethod
        def time():
            return 100

    unix_time.time = Since2000
    try:
        assert unix_time.now() == 946684900
        assert unix_time.text(946684900) == "2000-01-01 00:01:40Z"
        assert not clock.plausible()
    finally:
        unix_time.time = real
