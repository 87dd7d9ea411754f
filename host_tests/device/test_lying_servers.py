"""Every fault of `estctl server --fault`, inside TLS, seen from each interpreter.

A lie ends in an error in words, within the deadlines and the limits; the old identity stays as it
is, and the server that is honest again gives the device what it wanted.
"""

import itertools

import pytest
from estctl import interpreters
from estctl.server import csrattrs
from estctl.server.faults import CATALOGUE
from hostile import LIMITS, OPERATIONS, FaultyServer, World, judge

pytestmark = pytest.mark.timeout(3600)  # seconds; of --torture

NETWORK = [name for name in CATALOGUE if CATALOGUE[name].in_the_middle]
LIES = [name for name in CATALOGUE if name not in NETWORK]
# What is right, or does not matter any more. That /csrattrs has nothing is no lie.
HARMLESS = ("duplicate", "10000-years")
HARMLESS_CSRATTRS = (*HARMLESS, "empty")
CUTS = ("truncate", "truncate-notify", "reset")
HEAD = 160  # octets: no head of an answer is longer
STRIDE = 37  # octets of a body between two cuts


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with FaultyServer(tmp_path_factory.mktemp("server"), csrattrs=csrattrs.DEFAULT) as server:
        yield server


@pytest.fixture(params=["cpython", "unix", "unix32"])
def world(request, server, tmp_path):
    if request.param != "cpython" and interpreters.find(request.param) is None:
        pytest.skip(interpreters.why_missing(request.param))
    world = World(server, server.port, request.param, tmp_path / "world")
    yield world
    assert world.end() == "", "a warning, or an exception that nobody saw"


def under(world, flow, fault, again=True, times=None):
    faults = world.server.faults
    return world.under(
        flow,
        fault,
        lambda: faults.play(fault, times),
        lambda: faults.began,
        lambda: faults.play(None),
        again,
    )


def share(world, things, torture):
    """Return all of them, or a third: the interpreters have different ones."""
    start = ("cpython", "unix", "unix32").index(world.lives.name)
    return things if torture else things[start::3]


def lies(world, torture):
    """Yield (flow, fault, operation): each where certificates are issued, or everywhere."""
    flows = itertools.cycle(OPERATIONS)
    for name in share(world, LIES, torture):
        for flow in OPERATIONS if torture else [next(flows)]:
            for operation in OPERATIONS[flow] if torture else OPERATIONS[flow][-1:]:
                if CATALOGUE[name].forge is None or operation == OPERATIONS[flow][-1]:
                    yield flow, name, operation


def test_servers_that_lie(world, torture, tally):
    tally.subject = "servers that lie"
    outcomes, strange = [], []
    for flow, name, operation in lies(world, torture):
        outcome = under(world, flow, f"{name}@{operation}")
        outcomes.append(outcome)
        harmless = HARMLESS_CSRATTRS if operation == "csrattrs" else HARMLESS
        if not outcome.played or ("result" in (outcome.answer or {})) != (name in harmless):
            strange.append(outcome)
    judge(tally, outcomes)
    assert not strange, strange


def places(world, torture):
    """Yield (flow, fault): the answer ends, or stands still, after each octet of its head."""
    ends = itertools.cycle(OPERATIONS)
    if not torture:
        octets = (0, 1, 40, HEAD, 400)
        for number, name in enumerate(share(world, NETWORK, torture)):
            flow = next(ends)
            yield flow, f"{name}:{octets[number % 5]}@{OPERATIONS[flow][-1]}"
        return
    for flow in OPERATIONS:
        operation = OPERATIONS[flow][-1]
        for octet in (*range(HEAD), *range(HEAD, 1400, STRIDE)):
            kinds = CUTS if flow == "boot" else (CUTS[octet % 3],)
            for kind in kinds:
                yield flow, f"{kind}:{octet}@{operation}"
            if octet % 16 == 0:
                yield flow, f"delay:{octet}@{operation}"
        yield flow, f"trickle@{operation}"
        yield flow, f"late@{operation}"


def test_answers_that_end_in_the_middle(world, torture, tally):
    tally.subject = "a faulty network"
    outcomes = []
    for number, (flow, fault) in enumerate(places(world, torture)):
        outcomes.append(under(world, flow, fault, again=not torture or number % 5 == 0))
    judge(tally, outcomes)
    assert all(outcome.played for outcome in outcomes)


def test_a_device_that_waits_recovers_by_itself_when_it_is_over(world, torture, tally):
    tally.subject = "a faulty network"
    passing = ["cut", "truncate", "reset", "endless-202", "endless-503", "delay", "trickle"]
    for name in share(world, passing, torture):
        wish, check = world.flow("boot")
        world.server.faults.play(name, times=2 if torture else 1)
        answer = world.lives.live(**wish, limits=LIMITS, max_wait=30)
        tally.tried += 1
        assert answer == {"result": "enrolled"} and check(True, None) == "", (name, answer)
        assert world.server.faults.playing is None
        tally.recovered += 1
    assert tally.nothing_lost()
