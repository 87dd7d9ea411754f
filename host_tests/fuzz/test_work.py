"""Work and memory grow no faster than the input, whatever of it grows (growing.py)."""

import pytest
from growing import CASES
from targets import run
from work import BOUNDS, bound, counted, memory

LARGEST = 16384  # octets: twice what a board takes of one body
# Bytes of memory for an octet, in CPython, where a list of two small objects takes 200; and what
# an answer of any size takes, with the code that is loaded for it.
MEMORY_PER_OCTET, MEMORY = 130, 400_000


@pytest.mark.parametrize(("name", "what", "make"), CASES, ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_work_grows_no_faster_than(name, what, make, tally):
    tally.subject = "parsers"
    for exponent in range(0, 14, 2):
        octets = make(1 << exponent)
        if len(octets) > LARGEST:
            break
        outcome = counted(name, octets, tally)
        tally.recovered += outcome == "parsed"
        tally.failed_cleanly += outcome != "parsed"
        peak = memory(lambda octets=octets: run(name, octets))
        assert peak <= MEMORY + MEMORY_PER_OCTET * len(octets), (what, len(octets), peak)
    assert tally.nothing_lost()


def test_a_bound_is_a_bound(tally):
    """A parser that does more than its bound is noticed, so that the figures say something."""
    tally.subject = "parsers"
    octets = CASES[0][2](256)
    most = bound("der", len(octets))
    BOUNDS["der"], kept = (0, 1), BOUNDS["der"]
    try:
        with pytest.raises(AssertionError, match="more than"):
            counted("der", octets, tally)
    finally:
        BOUNDS["der"] = kept
    assert tally.hangs == 1 and most > len(octets)
    tally.hangs = 0
