"""The examples of firmware/examples on a simulated board, over real mutual TLS."""

import errno
import functools
import http.server
import json
import re
import shutil
import socket
import ssl
import threading
import time

import pytest
import slots
from commands import estctl
from cryptography import x509
from estctl import interpreters, library, simulation
from estctl.server.certificates import serial_text
from estctl.timeline import Timeline
from mqtt_broker import Broker, enroll, umqtt

pytestmark = pytest.mark.timeout(150)  # seconds; a board that does not show what it should runs on
both = pytest.mark.parametrize("interpreter", ["micropython", "micropython32"], indirect=True)

# What each runs in, a renewal included.
HEAP = {"micropython": "256k", "micropython32": "128k"}
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
    """The clocks: set back while a board enrols, so that half its certificate's life is over."""
    return Timeline(tmp_path_factory.mktemp("clock"))


@pytest.fixture(scope="module")
def server(servers, timeline, tmp_path_factory):
    """A development server that issues for a day, and has been there for half of it."""
    if interpreters.python_in(timeline.world) is None:
        pytest.skip("a certificate that was issued before needs libfaketime, of `make setup`")
    timeline.advance(-HALF)
    started = servers.start(tmp_path_factory.mktemp("server"), "--days", "1", clock=timeline.world)
    timeline.advance(HALF)
    return started


@pytest.fixture(scope="module")
def enrolled(server, timeline, tmp_path_factory):
    """Return a function: the flash of a board that was enrolled half a day ago, and its plan."""

    @functools.cache
    def flash_and_plan(interpreter):
        if not interpreters.can_fake_time(simulation.INTERPRETERS[interpreter]):
            pytest.skip("enrolling half a day ago needs the interpreters of `make setup`")
        flash = tmp_path_factory.mktemp("enrolled")
        (flash / "app.py").write_text(PLAN)
        options = ["--flash", flash, "--interpreter", interpreter, "--clock", timeline.folder]
        options += ["--subject", "CN=pump-{unique_id}", *server.at, *server.credential]
        timeline.advance(-HALF)
        done = estctl("device", "--json", *options)
        timeline.advance(HALF)
        assert done.status == 0, done.err
        (due,) = [line[5:] for line in done.json["console"] if line.startswith("due: ")]
        return flash, int(due)

    return flash_and_plan


@pytest.fixture
def board(enrolled, interpreter, tmp_path):
    """An enrolled board; each test has its own copy."""
    flash, due = enrolled(interpreter)
    shutil.copytree(flash, tmp_path / "flash")
    return Board(tmp_path / "flash", interpreter, due)


class Board:
    """Attributes: flash (Path), name (str): the common name of its certificate."""

    def __init__(self, flash, interpreter, due):
        """due: Unix seconds, when its certificate is to be renewed by default."""
        self.flash, self._interpreter, self._due = flash, interpreter, due
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
            simulation.boot(self.flash, self._interpreter, HEAP[self._interpreter], False, echo)
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


class Handler(http.server.BaseHTTPRequestHandler):
    """Tells a client what it sent, and who it is."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        who = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
        answer = b"%s from %s" % (body, who["commonName"].encode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class Web(http.server.HTTPServer):
    """Attributes: cafile (Path); refused: for each handshake that failed, why (str)."""

    def get_request(self):
        try:
            return super().get_request()
        except ssl.SSLError as error:
            self.refused.append(str(error))
            raise


def ask_anonymously(web):
    """Make a request without a certificate."""
    context = ssl.create_default_context(cafile=web.cafile)
    with (
        socket.create_connection(("127.0.0.1", web.server_port), 30) as tcp,
        context.wrap_socket(tcp, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
        return tls.recv(1)


@pytest.fixture
def web(server, tmp_path):
    """An HTTPS server under the server's CA, that wants a certificate of it."""
    enroll(server, tmp_path, "web", "--san", "ip:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "web.pem", tmp_path / "web.key")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    started = Web(("127.0.0.1", 0), Handler)
    started.cafile, started.refused = tmp_path / "ca.pem", []
    started.socket = context.wrap_socket(started.socket, server_side=True)
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield started
    started.shutdown()
    started.server_close()


def answered(line):
    if line.startswith("server said"):
        raise Seen


@both
def test_an_https_request_with_the_boards_certificate(board, web):
    app = example("https_mtls.py", HOST="127.0.0.1", PORT=web.server_port)
    (board.flash / "app.py").write_text(app)
    lines = board.boot(answered)
    assert lines[-1] == f"""server said 200 b'{{"pressure": 3.2}} from {board.name}'"""
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask_anonymously(web)
    for _ in range(100):  # the server may notice later than its client
        if web.refused:
            break
        time.sleep(0.05)
    assert ["did not return a certificate" in each for each in web.refused] == [True]


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

    lines = board.boot(watch, renewal=10)
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


@both
def test_mqtt_finds_its_broker_again(board, broker, publisher):
    publisher(broker.port)
    connected = []

    def watch(line):
        if line == "mqtt: connected":
            connected.append(line)
            if len(connected) > 1:
                raise Seen
            broker.restart()

    lines = board.boot(watch)
    assert any(line.startswith("mqtt: OSError") for line in lines), lines
    broker.wait_for(f" as {board.name} ")


@both
def test_a_silent_broker_does_not_stop_a_board_for_ever(board, publisher):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher(silent.getsockname()[1], DEADLINE=1)
        failed = []

        def watch(line):
            if line.startswith("mqtt:"):
                assert line == f"mqtt: OSError({errno.ETIMEDOUT},)"
                failed.append(line)
                if len(failed) == 2:
                    raise Seen

        board.boot(watch)


@both
def test_a_main_program_that_renews_in_the_background(board):
    app = example("renew_in_background.py", PERIOD=1)
    (board.flash / "main.py").write_text(app)
    old = board.certificate()
    seen = []

    def watch(line):
        seen.append(line)
        if line.startswith("enrolled; ") and any(each.startswith("certificate ") for each in seen):
            raise Seen

    lines = board.boot(watch, renewal=10)
    new = board.certificate()
    assert new.serial_number != old.serial_number
    assert f"certificate {serial_text(new)}" in lines, lines
    planned = [line for line in lines if line.startswith("enrolled; ")]
    assert len(planned) > 1 and planned[0] != planned[-1], lines
    assert all("; renew at 20" in line for line in planned), lines
