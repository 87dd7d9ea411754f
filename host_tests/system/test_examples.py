"""The examples of firmware/examples on a simulated board, over real mutual TLS."""

import http.server
import json
import re
import socket
import ssl
import threading
import time

import pytest
import slots
from commands import estctl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from estctl import library, simulation
from estctl.timeline import Timeline
from mqtt_broker import Broker, enroll, umqtt

both = pytest.mark.parametrize("interpreter", ["micropython", "micropython32"], indirect=True)


HALF = 43200  # seconds: half the life of a certificate
# A board's application: when its certificate is to be renewed.
PLAN = """
async def main(identity):
    print("due:", identity.status()["next"]["when"])
"""


class Seen(Exception):
    """The board has shown what it was to show."""


def example(name, **values):
    """Return the text of an example, with other values for its constants."""
    text = (library.FIRMWARE / "examples" / name).read_text()
    for constant, value in values.items():
        text, count = re.subn(rf"(?m)^{constant} = [^#\n]*", f"{constant} = {value!r}  ", text)
        assert count == 1, constant
    return text


@pytest.fixture(scope="module")
def timeline(tmp_path_factory):
    """The clocks: half a certificate's life is over when a board enrols while they are set back."""
    return Timeline(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def server(servers, timeline, tmp_path_factory):
    """A development server that issues for a day, and has been there for half of it."""
    timeline.advance(-HALF)
    started = servers.start(tmp_path_factory.mktemp("server"), "--days", "1", clock=timeline.world)
    timeline.advance(HALF)
    return started


@pytest.fixture
def board(server, timeline, interpreter, tmp_path):
    """A simulated board whose certificate will soon be due for renewal."""
    return Board(server, timeline, interpreter, tmp_path / "flash")


class Board:
    """Attributes: flash (Path), name (str): the common name of its certificate."""

    def __init__(self, server, timeline, interpreter, flash):
        """Enrol it, half a day ago."""
        self.flash, self._interpreter = flash, interpreter
        flash.mkdir()
        (flash / "app.py").write_text(PLAN)
        options = ["--flash", flash, "--interpreter", interpreter, "--clock", timeline.folder]
        options += ["--subject", "CN=pump-{unique_id}", *server.at, *server.credential]
        timeline.advance(-HALF)
        done = estctl("device", "--json", *options)
        timeline.advance(HALF)
        assert done.status == 0, done.err
        (due,) = [line[5:] for line in done.json["console"] if line.startswith("due: ")]
        self._due = int(due)
        self.name = "pump-" + (flash / "unique_id").read_bytes().hex()

    def certificate(self):
        """Return the certificate that it has now."""
        return x509.load_der_x509_certificate(slots.identity(self.flash).certificate)

    def boot(self, watch, renewal=3600):
        """Boot it until `watch`, a function of each line, raises Seen; return the lines.

        renewal: in how many seconds it is due.
        """
        certificate = self.certificate()
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        settings = json.loads((self.flash / "device.json").read_text())
        share = 0.667 + (time.time() + renewal - self._due) / life.total_seconds()
        (self.flash / "device.json").write_text(json.dumps({**settings, "renew_at": share}))
        lines = []

        def echo(line):
            lines.append(line)
            watch(line)

        try:
            simulation.boot(self.flash, self._interpreter, None, False, echo)
        except Seen:
            return lines
        raise AssertionError(lines)


@pytest.fixture
def broker(server, tmp_path):
    """Mosquitto, that wants a certificate of the server's CA."""
    started = Broker(server, tmp_path / "broker")
    yield started
    started.stop()


@pytest.fixture
def publisher(board):
    """Return a function that makes the MQTT example a board's application."""
    (board.flash / "umqtt").mkdir()
    (board.flash / "umqtt/simple.py").write_text(umqtt())

    def install(port, **values):
        values = {"HOST": "127.0.0.1", "PORT": port, "INTERVAL": 1, **values}
        (board.flash / "app.py").write_text(example("mqtt_mtls.py", **values))

    return install


@both
def test_mqtt_with_the_boards_certificate_and_with_its_next_one(board, broker, publisher):
    publisher(broker.port)
    messages, connected, old = broker.subscribe(), [], board.certificate()
    broker.keep("old", slots.identity(board.flash))

    def watch(line):
        if line == "mqtt: connected":
            connected.append(board.certificate().serial_number)
            if len(connected) == 1:
                broker.revoke(old)  # from now on the broker takes the next certificate alone
            else:
                assert broker.publish(f"{board.name}/command", "enough") == 0
        if line == f"mqtt: {board.name}/command says enough":
            raise Seen

    lines = board.boot(watch, renewal=8)
    first, second = connected
    assert first == old.serial_number and second == board.certificate().serial_number != first
    assert "store: identity committed" in lines, lines
    assert broker.log().count(f" as {board.name} (p2, c1, k60, u'{board.name}')") == 2
    assert f"Received DISCONNECT from {board.name}" in broker.log()
    received = messages.read_text().splitlines()
    assert received.count(f"{board.name}/pressure 3.2") >= 2, received
    broker.keep("new", slots.identity(board.flash))
    assert broker.publish("new/pressure", "3.2", "old") != 0, "revoked"
    assert broker.publish("new/pressure", "3.2", None) != 0, "without a certificate"
    assert broker.publish("new/pressure", "3.2", "new") == 0
