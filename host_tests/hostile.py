"""A development server whose faults a test chooses, interpreters that live many lives, and what
counts in them: errors in words, identities that stay, deadlines that hold."""

import asyncio
import contextlib
import hashlib
import json
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import est_errors
import pytest
import slots
import tls_errors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from devid import trust as device_trust
from devid.store import Store
from estctl import flash, interpreters, library, simulation
from estctl.mpy import UNIX_MARCH
from estctl.server import EstServer, Settings

_PROBE = library.ROOT / "host_tests/device/hostile_probe.py"
_HEAP = {"unix": "320k", "unix32": "160k"}
# Deadlines that end what stands still: by them, not by the test. Nothing waits for long.
LIMITS = {
    "CONNECT_TIMEOUT": 2,
    "HANDSHAKE_TIMEOUT": 2,
    "IO_TIMEOUT": 1,
    "REQUEST_TIMEOUT": 2,
    "MAX_BODY": 8192,  # as boards have it: the heap is theirs, too
    "MAX_RETRY_AFTER": 1,
    "RETRY_FIRST": 1,
    "RETRY_MAX": 1,
}
OPERATIONS = {
    "boot": ("cacerts", "csrattrs", "simpleenroll"),
    "renew": ("cacerts", "csrattrs", "simplereenroll"),
    "serverkeygen": ("cacerts", "serverkeygen"),
    "fullcmc": ("cacerts", "fullcmc"),
}
_OVERRUN = 5  # seconds: a machine that is busy with other tests is no board
_LONGEST = 30  # seconds of a life: several exchanges, each within its deadlines
_HANG = 60  # seconds: far more than all deadlines of one life together


class FaultyServer:
    """An EstServer in a thread; `faults.play()` may be called at any time. A context manager."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        # A fault has to be there from the beginning.
        made = Settings(folder, fault="html", **settings)
        self.log: list[str] = []
        self._started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(made)), daemon=True)

    def __enter__(self) -> "FaultyServer":
        self._thread.start()
        self._started.result(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    @property
    def faults(self) -> Any:
        return self.server.faults

    @property
    def port(self) -> int:
        return int(self.server.url.rpartition(":")[2])

    @property
    def password(self) -> str:
        return self.server.password_file.read_text().strip()

    async def _run(self, settings: Settings) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.server = EstServer(settings, lambda event: self.log.append(event.text))
            self.faults.play(None)
            async with self.server:
                self._started.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if not self._started.done():
                self._started.set_exception(error)
            raise


class Hang(Exception):
    """An interpreter did not answer; it was ended."""


class Lives:
    """One interpreter with the probe, which lives one life after the other in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.heard: list[str] = []  # what was printed beside the answers
        self._errors = open(folder / f"{name}.stderr", "ab+")  # noqa: SIM115
        self._start()

    def _start(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [str(part) for part in self._command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process, self._lines), daemon=True).start()

    def _command(self) -> list[Any]:
        device = _PROBE.parent
        if self.name == "cpython":
            return [sys.executable, _PROBE, library.LIB, library.SHIM / "cpython", device]
        program = interpreters.find(self.name)
        if program is None:
            pytest.skip(interpreters.why_missing(self.name))
        march = UNIX_MARCH[self.name]
        compiled = flash.library_folder("UNIX", march)
        simulation.prepare(compiled, "UNIX", True, march)
        options = ["-X", f"heapsize={_HEAP[self.name]}"]
        return [program, *options, _PROBE, compiled / "lib", device]

    @staticmethod
    def _read(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    def live(self, **wish: Any) -> dict[str, Any]:
        """Live one life; return what came of it. Raises Hang. A crash is {"foreign"}."""
        process = self._process
        try:
            assert process.stdin
            process.stdin.write(json.dumps(wish) + "\n")
            process.stdin.flush()
            while line := self._lines.get(timeout=_HANG):
                if line.startswith("{"):
                    return json.loads(line)
                self.heard.append(line)
            status = process.wait(10)
        except queue.Empty:
            self.end()
            self._start()
            raise Hang(f"{self.name}: {wish.get('do')}") from None
        except BrokenPipeError:
            status = process.wait(10)
        self.end()
        self._start()
        return {"foreign": f"the interpreter ended with {status}: {self.errors[-2000:]}"}

    @property
    def errors(self) -> str:
        """What was written on standard error."""
        self._errors.flush()
        return Path(self._errors.name).read_text(errors="replace")

    def sockets(self) -> int:
        """Return how many sockets the interpreter has open."""
        handles = Path(f"/proc/{self._process.pid}/fd").iterdir()
        return sum("socket:" in str(handle.readlink()) for handle in handles)

    def end(self) -> None:
        """End the interpreter."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        self._process.kill()
        self._process.wait(10)


@dataclass
class Outcome:
    """What came of one life under a fault."""

    what: str
    answer: dict[str, Any] | None = None  # of the probe; None: it hung
    played: bool = False  # whether the fault was reached
    overrun: float = 0.0
    lost: str = ""  # what is wrong with the identity
    again: dict[str, Any] | None = None  # of the next life without the fault


class World:
    """What one interpreter lives in: a server, or a proxy before it, and folders as flashes."""

    def __init__(self, server: FaultyServer, port: int, name: str, folder: Path) -> None:
        """port: that of the server, or of a proxy that leads to it."""
        self.server, self.port, self._folder = server, port, folder
        folder.mkdir()
        self.lives = Lives(name, folder)
        self._renewable: Path | None = None
        self._count = 0

    def end(self) -> str:
        """End it; return what was printed that nobody asked for."""
        self.lives.end()
        return "".join(self.lives.heard) + self.lives.errors

    def under(
        self,
        flow: str,
        what: str,
        begin: Callable[[], object],
        began: Callable[[], float | None],
        end: Callable[[], object],
        again: bool = True,
    ) -> Outcome:
        """Live once while something is wrong, from begin() to end(); and again where that failed.

        began: says when it went wrong (time.monotonic()), or None. again: whether to try that.
        """
        outcome = Outcome(f"{self.lives.name}: {flow}: {what}")
        wish, check = self.flow(flow)
        begin()
        started = time.monotonic()
        try:
            outcome.answer = self.lives.live(**wish, limits=LIMITS)
            seconds = time.monotonic() - (began() or started)
            outcome.overrun = _overrun(outcome.answer, seconds)
            outcome.lost = check("result" in outcome.answer, outcome.answer.get("result"))
        except Hang:
            pass
        outcome.played = began() is not None
        end()
        if again and outcome.answer and "error" in outcome.answer and "flash" in wish:
            outcome.again = self._recover(wish)
            outcome.lost = outcome.lost or check("result" in outcome.again, None)
        if "flash" in wish:
            shutil.rmtree(wish["flash"])
        return outcome

    def flow(self, name: str) -> tuple[dict[str, Any], Callable[[bool, Any], str]]:
        """Return (what to live, and what then says what is wrong with its identity, or "")."""
        flows = {"boot": self._boot, "renew": self._renew}
        flows.update(serverkeygen=self._serverkeygen, fullcmc=self._fullcmc)
        return flows[name]()

    def _recover(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Live on as usual, and wait where the server had said so."""
        usual = {name: LIMITS[name] for name in ("MAX_RETRY_AFTER", "RETRY_FIRST", "RETRY_MAX")}
        answer: dict[str, Any] = {}
        for _ in range(5):
            answer = self.lives.live(**wish, limits=usual)
            if answer.get("class") != "RetryLater":
                break
            time.sleep(1)
        return answer

    def _flash(self) -> Path:
        self._count += 1
        return self._folder / f"flash{self._count}"

    def _boot(self) -> tuple[dict[str, Any], Callable[[bool, Any], str]]:
        server, path = self.server, self._flash()
        settings = {
            "url": f"https://127.0.0.1:{self.port}",
            "subject": "CN=device",
            "ntp": False,
            "trust": {"fingerprint": server.server.fingerprint},
            "credential": {"user": "device", "password": server.password, "keep": True},
        }
        simulation.write_settings(path, settings, {})
        return {"do": "ensure", "flash": str(path)}, lambda done, _: self._first(path, done)

    def _renew(self) -> tuple[dict[str, Any], Callable[[bool, Any], str]]:
        if self._renewable is None:
            wish, check = self._boot()
            answer = self.lives.live(**wish, limits={})
            assert answer == {"result": "enrolled"} and not check(True, None), answer
            self._renewable = Path(wish["flash"])
        path = self._flash()
        shutil.copytree(self._renewable, path)
        old = slots.identity(path)
        assert old
        return {"do": "renew", "flash": str(path)}, lambda done, _: self._later(path, old, done)

    def _first(self, path: Path, done: bool) -> str:
        """Return what is wrong with the identity of a first boot, or ""."""
        found = slots.identity(path)
        if not done:
            return "an identity after a failure" if found else ""
        if not found:
            return "no identity"
        trust = device_trust.load(Store(str(path / "identity")))
        roots = [hashlib.sha256(anchor).hexdigest() for anchor in trust.anchors]
        if roots != [self.server.server.fingerprint]:
            return "other trust anchors"
        return _unfit(found.key, found.certificate)

    def _later(self, path: Path, old: Any, done: bool) -> str:
        """Return what is wrong with the identity after a renewal, or ""."""
        found = slots.identity(path)
        if not found:
            return "the identity is lost"
        same = found.key == old.key and found.certificate == old.certificate
        if not done:
            whole = same and found.chain == old.chain
            return "" if whole else "the old identity is another"
        return "nothing is new" if same else _unfit(found.key, found.certificate)

    def _client(self, operation: str, **more: Any) -> dict[str, Any]:
        pem = self.server.server.authority.anchors_file.read_bytes()
        anchor = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        who = {"user": "device", "password": self.server.password}
        at = {"host": "127.0.0.1", "port": self.port, "anchors": [anchor.hex()]}
        return {"do": operation, "csr": _CSR.hex(), **who, **at, **more}

    def _serverkeygen(self) -> tuple[dict[str, Any], Callable[[bool, Any], str]]:
        def check(done: bool, result: Any) -> str:
            return _unfit(*(bytes.fromhex(part) for part in result)) if done else ""

        return self._client("serverkeygen"), check

    def _fullcmc(self) -> tuple[dict[str, Any], Callable[[bool, Any], str]]:
        def check(done: bool, result: Any) -> str:
            return _unfit(_KEY_DER, bytes.fromhex(result)) if done else ""

        return self._client("fullcmc", signer=_KEY_DER.hex()), check


_KEY = ec.generate_private_key(ec.SECP256R1())
_KEY_DER = _KEY.private_bytes(
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
_CSR = (
    x509.CertificateSigningRequestBuilder()
    .subject_name(x509.Name.from_rfc4514_string("CN=device"))
    .sign(_KEY, hashes.SHA256())
    .public_bytes(serialization.Encoding.DER)
)


def _unfit(key: bytes, certificate: bytes) -> str:
    """Return why a key and a certificate are no identity, or ""."""
    private = serialization.load_der_private_key(key, None)
    found = x509.load_der_x509_certificate(certificate)
    return "" if private.public_key() == found.public_key() else "the key is another's"


def _overrun(answer: dict[str, Any], seconds: float) -> float:
    """Return the seconds beyond the deadline that ended a life; 0 where none did.

    seconds: since it went wrong, which was not before the step that has the deadline began.
    """
    found = re.search(r"(?:within|longer than) (\d+) s$", answer.get("error", ""))
    if not found or answer["class"] != "DeadlineError":
        return 0.0 if seconds < _LONGEST else seconds
    return max(0.0, seconds - int(found[1]))


def judge(tally: Any, outcomes: list[Outcome]) -> None:
    """Count outcomes, and assert what has to be of each."""
    strange = []
    for outcome in outcomes:
        answer = outcome.answer
        tally.tried += 1
        tally.hangs += answer is None
        tally.identities_lost += bool(outcome.lost)
        tally.longest_overrun_s = max(tally.longest_overrun_s, outcome.overrun)
        if answer is None or outcome.lost or outcome.overrun > _OVERRUN:
            strange.append(outcome)
        elif "foreign" in answer:
            tally.foreign_exceptions += 1
            strange.append(outcome)
        elif "error" in answer:
            tally.failed_cleanly += 1
            kind = getattr(est_errors, answer["class"], getattr(tls_errors, answer["class"], None))
            ours = kind and issubclass(kind, est_errors.EstError)
            if not ours or not answer["error"] or not answer["error"].isprintable():
                strange.append(outcome)
        if answer and ("result" in answer or (outcome.again and "result" in outcome.again)):
            tally.recovered += 1
        if outcome.again and "result" not in outcome.again:
            strange.append(outcome)
    assert not strange, strange[:20]
    assert tally.nothing_lost()
