"""The development server as a subprocess; curl and OpenSSL to try it, nothing of our client."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SERVER = [sys.executable, "-m", "estctl.server"]
DEADLINE = 60  # seconds for one program
EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


@dataclass
class Answer:
    """An HTTP answer, as curl saw it; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reason(self) -> str:
        """The one line of text of a refusal."""
        assert self.headers["content-type"].startswith("text/plain"), self
        assert self.body.count(b"\n") == 1 and self.body.endswith(b"\n"), self
        return self.body.decode()


def run(*command: object, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end."""
    return subprocess.run(
        [str(part) for part in command],
        input=data,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


def openssl(*arguments: object, data: bytes | None = None) -> str:
    """Run OpenSSL's command line; it must succeed."""
    done = run("openssl", *arguments, data=data)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@dataclass
class Server:
    """A running server: what its --json line said, and its process."""

    process: subprocess.Popen[bytes]
    folder: Path
    line: str
    facts: dict[str, str | int] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = json.loads(self.line)
        # curl reads the password from here: command lines are public.
        self.login = self.folder / "curl.login"
        password = Path(str(self.facts["password_file"])).read_text().strip()
        handle = os.open(self.login, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f'user = "{self.facts["user"]}:{password}"\n')

    @property
    def url(self) -> str:
        return str(self.facts["url"])

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def issuing(self) -> Path:
        return self.folder / "issuing.pem"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def curl(self, path: str, *options: object, data: bytes | None = None) -> Answer:
        """Send a request; with data a POST of application/pkcs10 unless an option says else."""
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--include",
            "--globoff",
        ]
        command += ["--cacert", str(self.facts["anchors"])]
        if data is not None:
            command += ["--data-binary", "@-"]
            if not any("Content-Type" in str(option) for option in options):
                command += ["--header", "Content-Type: application/pkcs10"]
        done = run(*command, *options, f"{self.url}/.well-known/est/{path}", data=data)
        assert done.returncode == 0, done.stderr.decode()
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        return Answer(int(first.split()[1]), headers, body)

    def enroll(self, request: bytes, *options: object, path: str = "simpleenroll") -> Answer:
        """Enrol with the password."""
        return self.curl(path, "--config", self.login, *options, data=request)

    def stop(self) -> int:
        """End it, and return its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


Start = Callable[..., Server]


class Servers:
    """Starts servers, each in its folder, and ends them all."""

    def __init__(self) -> None:
        self.running: list[Server] = []

    def start(self, folder: Path, *options: object, stderr: int | None = None) -> Server:
        """Start one on a free port; what it says goes to folder/log, or to a file descriptor."""
        folder.mkdir(parents=True, exist_ok=True)
        command = [*SERVER, "--json", "--port", "0", "--dir", str(folder), *map(str, options)]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr or log)
        assert process.stdout is not None
        watchdog = threading.Timer(DEADLINE, process.kill)
        watchdog.start()
        line = process.stdout.readline().decode()
        watchdog.cancel()
        if not line:
            process.wait(20)
            process.stdout.close()
            pytest.fail(f"the server did not start: {(folder / 'log').read_text()}")
        self.running.append(Server(process, folder, line))
        return self.running[-1]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    statuses = [server.stop() for server in servers.running]
    assert not any(statuses), statuses


@pytest.fixture
def start(servers, tmp_path) -> Start:
    """Start a server with options of its own."""
    return lambda *options: servers.start(tmp_path / "server", *options)


@pytest.fixture(scope="module")
def server(servers, tmp_path_factory) -> Server:
    """A server without options that the tests of a file share."""
    return servers.start(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def role(servers, tmp_path_factory) -> Callable[[str], Server]:
    """Return a server that plays a scenario, by its name; the tests of a file share it."""
    running: dict[str, Server] = {}

    def play(name: str) -> Server:
        if name not in running:
            running[name] = servers.start(tmp_path_factory.mktemp(name), "--scenario", name)
        return running[name]

    return play


class Desk:
    """A folder with keys, requests and certificates by OpenSSL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = folder / "key.pem"
        self.certificate = folder / "certificate.pem"
        self.openssl = openssl

    def request(self, subject: str, *more: object, key: tuple[str, ...] = EC_KEY) -> bytes:
        """Return the base64 lines of a request for a new key, which is self.key."""
        out = self.folder / "request.pem"
        options = ["-nodes", "-keyout", self.key, "-out", out, "-subj", subject]
        openssl("req", "-new", *key, *options, *more)
        return "".join(out.read_text().splitlines(keepends=True)[1:-1]).encode()

    def certificates(self, answer: Answer) -> list[Path]:
        """Return the certificates of a certs-only answer, as OpenSSL reads them, as PEM files."""
        pem = b"-----BEGIN PKCS7-----\n" + answer.body + b"-----END PKCS7-----\n"
        text = openssl("pkcs7", "-print_certs", data=pem)
        found = []
        for index, part in enumerate(text.split("-----END CERTIFICATE-----")[:-1]):
            found.append(self.folder / f"certificate{index}.pem")
            found[-1].write_text(part[part.index("-----BEGIN") :] + "-----END CERTIFICATE-----\n")
        return found

    def enrolled(self, server: Server, subject: str, *more: object) -> list[object]:
        """Enrol; return the options that make curl present the certificate."""
        answer = server.enroll(self.request(subject, *more))
        assert answer.status == 200, answer.body
        (issued,) = self.certificates(answer)
        issued.rename(self.certificate)
        mine = self.folder / "enrolled.key"
        self.key.rename(mine)
        return ["--cert", self.certificate, "--key", mine]

    def text(self, certificate: Path) -> str:
        """Return a certificate as OpenSSL prints it."""
        return openssl("x509", "-in", certificate, "-noout", "-text")


@pytest.fixture
def desk(tmp_path) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk(tmp_path / "desk")


@pytest.fixture
def refused(tmp_path) -> Callable[..., tuple[int, str]]:
    """Start a server that must not start; return its exit status and its error text."""

    def start(*options: object, folder: Path = tmp_path / "server") -> tuple[int, str]:
        done = run(*SERVER, "--port", 0, "--dir", folder, *options)
        assert not done.stdout, done.stdout
        return done.returncode, done.stderr.decode()

    return start
