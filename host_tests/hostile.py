"""A development server whose faults a test chooses, and interpreters that live many lives."""

import asyncio
import contextlib
import json
import queue
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from estctl import flash, interpreters, library, simulation
from estctl.mpy import UNIX_MARCH
from estctl.server import EstServer, Settings

_PROBE = library.ROOT / "host_tests/device/hostile_probe.py"
_HEAP = {"unix": "320k", "unix32": "160k"}
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

    def end(self) -> None:
        """End the interpreter."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        self._process.kill()
        self._process.wait(10)
