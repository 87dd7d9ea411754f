"""estctl as its users run it, against the development server as they run it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estctl import interpreters

ESTCTL = [sys.executable, "-m", "estctl"]
DEADLINE = 120  # seconds for one command


@dataclass
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


def estctl(*arguments: object, faketime: str | None = None, python: str = sys.executable) -> Done:
    """Run estctl to its end."""
    environment = {**os.environ, **({"EST_FAKETIME": faketime} if faketime else {})}
    done = subprocess.run(
        [python, *ESTCTL[1:], *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
        env=environment,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def openssl(*arguments: object) -> str:
    """Run OpenSSL's command line; it must succeed."""
    done = subprocess.run(
        ["openssl", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Server:
    """A running development server, and the option lists that reach it."""

    url: str
    fingerprint: str
    anchors: str
    user: str
    password_file: str
    pid: int
    folder: Path
    scenario: str | None = None
    requests: str | None = None  # the file in which a scenario notes what it saw
    implicit: str | None = None  # the file of another CA, which issued the TLS certificate
    trust: str | None = None  # the file of both CAs, where there are two
    profile: str | None = None
    bootstrap_certificate: str | None = None  # what a profile's clients begin with
    bootstrap_key: str | None = None
    psk_identity: str | None = None  # of a pre-shared key
    psk_key_file: str | None = None

    @property
    def at(self) -> list[str]:
        return ["--url", self.url, "--anchors", self.anchors]

    @property
    def pinned(self) -> list[str]:
        return ["--url", self.url, "--fingerprint", self.fingerprint]

    @property
    def credential(self) -> list[str]:
        return ["--user", self.user, "--password-file", self.password_file]


class Servers:
    """Starts servers and ends them."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def start(
        self,
        folder: Path,
        *options: str,
        clock: Path | None = None,
        python: str = sys.executable,
    ) -> Server:
        """Start one; its log is folder/log. clock: the file of its time (Timeline.world)."""
        folder.mkdir(parents=True, exist_ok=True)
        program, environment = [python, *ESTCTL[1:]], {}
        if clock:
            python, environment = interpreters.python_in(clock)
            program = [*python, "-m", "estctl"]
        command = [*program, "server", "--json", "--port", "0", "--dir", str(folder), *options]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **environment},
            )
        self._processes.append(process)
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        return Server(folder=folder, **json.loads(line))

    def end(self, pid: int) -> None:
        """End one of them."""
        (process,) = [each for each in self._processes if each.pid == pid]
        self._processes.remove(process)
        process.terminate()
        assert process.wait(20) == 0
        process.stdout.close()

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            assert process.wait(20) == 0
            process.stdout.close()
