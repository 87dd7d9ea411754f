"""What every parser promises, on structures that hypothesis builds, and on the same ones broken.

Valid ones are read, broken ones are refused with an error of est_errors or read after all, and the
work is bounded by the input's size (work.BOUNDS).
"""

from random import Random

import pytest
from breaking import broken
from hypothesis import given, settings
from hypothesis import strategies as st
from structures import STRATEGIES
from targets import names
from work import counted

BROKEN = 16  # of each valid structure
# What valid structures of a strategy may end in beside "parsed": names outside of the constraints
# that were drawn with them, and a content key that is wrapped for nobody.
OTHERWISE = {"name_constraints": "TrustError", "enveloped_ecdh": "KeyFault"}


@pytest.mark.timeout(1800)  # with --torture, on a busy machine
@pytest.mark.parametrize("name", names())
def test_a_parser_reads_what_is_valid_and_refuses_the_rest_in_words(name, tally, torture):
    tally.subject = "parsers"

    def tried(octets):
        outcome = counted(name, octets, tally)
        tally.recovered += outcome == "parsed"
        tally.failed_cleanly += outcome != "parsed"
        return outcome

    @settings(max_examples=300 if torture else 6)
    @given(STRATEGIES[name], st.integers(0, 1 << 64))
    def check(valid, seed):
        outcome = tried(valid)
        assert outcome in ("parsed", OTHERWISE.get(name)), valid.hex()
        random = Random(seed)
        for _ in range(BROKEN):
            tried(broken(valid, random))

    check()
    assert tally.nothing_lost()


def test_every_parser_has_a_strategy():
    assert sorted(STRATEGIES) == names()
