"""A network that fails at each record of each exchange, seen from each interpreter.

Whatever it does ends in an error in words within the deadlines or in what was wanted; the old
identity stays as it is, and without the fault the device has what it wanted at the next try.
"""

import itertools
import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from estctl import interpreters
from faulty_proxy import KINDS, FaultyProxy, Place
from hostile import OPERATIONS, FaultyServer, World, judge
from scripted_server import ScriptedServer

pytestmark = pytest.mark.timeout(3600)  # seconds; of --torture

# Where in a record: before it, in its header, in its contents, before its last octet.
OCTETS = {
    "cut": (0, 1, -1),
    "reset": (0, 1, -1),
    "delay": (0, -1),
    "trickle": (0,),
    "late": (1,),
    "pieces": (0,),
    "duplicate": (0, 7),
    "drop": (0, 5),
    "flip": (0, 3, 5, -1),
}
HARMLESS = ("late", "pieces")
AT_ONCE = 4  # lives: most of them wait


@pytest.fixture(scope="module", params=["both", "1.2"])
def server(request, tmp_path_factory):
    with FaultyServer(tmp_path_factory.mktemp("server"), tls=request.param) as server:
        yield server


@pytest.fixture(params=["cpython", "unix", "unix32"])
def interpreter(request, server, torture):
    if server.server.settings.tls == "1.2" and request.param != "unix32" and not torture:
        pytest.skip("for a sample one interpreter does")
    if request.param != "cpython" and interpreters.find(request.param) is None:
        pytest.skip(interpreters.why_missing(request.param))
    return request.param


class Network:
    """Proxies, each with a world behind it, for several cases at once."""

    def __init__(self, server, interpreter, folder):
        self._make = lambda: self._made(server, interpreter, folder)
        self._lock = threading.Lock()
        self._all, self._mine = [], threading.local()

    def _made(self, server, interpreter, folder):
        with self._lock:
            proxy = FaultyProxy(server.port)
            proxy.__enter__()
            world = World(server, proxy.port, interpreter, folder / f"world{len(self._all)}")
            self._all.append((proxy, world))
        return proxy, world

    def places(self, flow):
        """Return the places of each record of a flow in which nothing fails."""
        proxy, world = self._make()
        usual = world.under(flow, "nothing", lambda: None, lambda: None, lambda: None)
        assert "result" in usual.answer and not usual.lost, usual
        proxy.play(None, None)  # a renewal needed an enrolment first
        world.under(flow, "nothing", lambda: None, lambda: None, lambda: None)
        return [
            Place(connection, down, record, 0)
            for (connection, down), sizes in sorted(proxy.records.items())
            for record in range(len(sizes))
        ]

    def fails(self, flow, kind, place, again):
        """Live once in this network, and again where that failed."""
        if not hasattr(self._mine, "pair"):
            self._mine.pair = self._make()
        proxy, world = self._mine.pair
        return world.under(
            flow,
            f"{kind} at {place}",
            lambda: proxy.play(kind, place),
            lambda: proxy.began,
            lambda: proxy.play(None, None),
            again,
        )

    def end(self):
        """End all; return what was printed."""
        texts = []
        for proxy, world in self._all:
            texts.append(world.end())
            proxy.__exit__()
        return "".join(texts)


@pytest.fixture
def network(server, interpreter, tmp_path):
    network = Network(server, interpreter, tmp_path)
    yield network
    assert network.end() == "", "a warning, or an exception that nobody saw"


def at(place, octet):
    return Place(place.connection, place.down, place.record, octet)


def all_cases(network, tls):
    """Yield (flow, kind, place, whether to try again): everything, but in TLS 1.2 a boot alone."""
    number = itertools.count()
    for flow in OPERATIONS if tls == "both" else ("boot",):
        for place in network.places(flow):
            for kind, octets in OCTETS.items():
                for octet in octets:
                    yield flow, kind, at(place, octet), next(number) % 3 == 0


def sample(seed):
    """Yield one case of each kind, in places that every flow has."""
    chosen = random.Random(seed)
    for kind, flow in zip(KINDS, itertools.cycle(OPERATIONS), strict=False):
        down, record = chosen.choice([(False, 0), (True, 0), (True, 1), (True, 4)])
        yield flow, kind, Place(0, down, record, chosen.choice(OCTETS[kind])), True


def test_a_network_that_fails_at_each_record(server, interpreter, network, torture, tally):
    tally.subject = "a faulty network"
    assert set(OCTETS) == set(KINDS)
    tls = server.server.settings.tls
    cases = list(all_cases(network, tls) if torture else sample(interpreter + tls))
    with ThreadPoolExecutor(AT_ONCE) as several:
        outcomes = list(several.map(lambda case: network.fails(*case), cases))
    judge(tally, outcomes)
    for outcome in outcomes:
        if any(f": {kind} at" in outcome.what for kind in HARMLESS):
            assert "result" in outcome.answer, outcome
    reached = [outcome for outcome in outcomes if outcome.played]
    # Who is cut off last may have closed the connection before its last record is due.
    assert len(reached) >= 0.95 * len(outcomes), [o.what for o in outcomes if not o.played]


def stranger(octets, then):
    """Return a script of a TCP server that is no TLS server: what it sends, and what it does then.

    then: "ends", "resets", "waits" for the client to go, or "again": it sends without end.
    """

    def script(connection):
        connection.socket.recv(1)
        connection.send(octets)
        while then == "again":
            connection.send(octets * 1000)  # faster than it can be read
        if then == "resets":
            linger = struct.pack("ii", 1, 0)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        while then == "waits" and connection.socket.recv(4096):
            pass

    return script


STRANGERS = [
    (b"", "ends"),
    (b"", "resets"),
    (b"", "waits"),
    (b"SSH-2.0-OpenSSH_9.6\r\n", "waits"),
    (b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n", "ends"),
    (b"\x15\x03\x03\x00\x02\x02\x28", "ends"),  # a fatal alert: handshake_failure
    (b"\x16\x03\x03\xff\xff", "waits"),  # a record longer than any may be (RFC 8446 5.1)
    (b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff", "waits"),  # a handshake message of 16 MiB
    (b"\x14\x03\x03\x00\x01\x01", "again"),  # change_cipher_spec without end
    (b"\0", "again"),
    (b"\x15\x03\x03\x00\x02\x01\x5a", "again"),  # warnings without end
]


def test_what_listens_is_no_tls_server(server, interpreter, tmp_path, torture, tally):
    tally.subject = "a faulty network"
    outcomes = []
    world = World(server, server.port, interpreter, tmp_path / "world")
    first = ("cpython", "unix", "unix32").index(interpreter)
    for octets, then in STRANGERS if torture else STRANGERS[first::3]:
        with ScriptedServer(stranger(octets, then), None) as listening:
            world.port = listening.port
            what = f"{octets[:9]} {then}"
            nothing = [lambda: None] * 3
            outcomes.append(world.under("boot", what, *nothing, again=False))
            assert world.lives.sockets() == 0, "a failed handshake leaves its socket open"
        assert "error" in (outcomes[-1].answer or {}), outcomes[-1]
    judge(tally, outcomes)
    assert world.end() == ""
