"""Runs est.Client in one interpreter: the tests' side of device/probe.py."""

import json
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from estctl import interpreters

HOST_TESTS = Path(__file__).resolve().parent
LIB = HOST_TESTS.parent / "lib"
SHIM = HOST_TESTS / "shim"
# The library is compiled on the fly here; objects of the 64-bit port are twice as large.
HEAP = {"unix": "320k", "unix32": "160k"}
# pki_probe.py reads whole bags of certificates as hex in JSON, one line after the other.
PKI_HEAP = {"unix": "640k", "unix32": "320k"}
# Deadlines short enough for a test, long enough for a busy machine's handshake.
LIMITS = {"CONNECT_TIMEOUT": 3, "HANDSHAKE_TIMEOUT": 3, "IO_TIMEOUT": 2, "REQUEST_TIMEOUT": 4}


@dataclass
class Device:
    """Runs the probe in one interpreter."""

    name: str

    def run(self, *operations: str, **wish: Any) -> dict[str, Any]:
        """Perform the operations with one est.Client; return what the probe printed."""
        wish.setdefault("host", "127.0.0.1")
        wish["limits"] = {**LIMITS, **wish.get("limits", {})}
        wish["operations"] = operations
        for name in ("anchors", "implicit", "intermediates"):
            wish[name] = [raw.hex() for raw in wish.get(name, ())]
        for key in ("csr", "certificate", "key", "signer", "old"):
            if key in wish:
                wish[key] = wish[key].hex()
        done = self._execute("probe.py", json.dumps(wish), HEAP)
        lines = done.stdout.splitlines()  # one: the library itself prints nothing
        assert len(lines) == 1 and lines[0].startswith("{"), done.stdout + done.stderr
        return json.loads(lines[0])

    def pki(
        self, *wishes: dict[str, Any], heap: dict[str, str] = PKI_HEAP
    ) -> list[dict[str, Any]]:
        """Perform each wish with pki_probe.py, in one process; return the answers."""
        text = "".join(json.dumps(wish) + "\n" for wish in wishes)
        done = self._execute("pki_probe.py", text, heap)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(wishes), done.stdout[-500:] + done.stderr
        return answers

    def _execute(
        self, probe: str, text: str, heap: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        command = [*self._start(heap), HOST_TESTS / "device" / probe, LIB]
        if self.name == "cpython":
            command.append(SHIM / "cpython")
        return subprocess.run(
            [str(part) for part in command],
            input=text,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def _start(self, heap: dict[str, str]) -> list[Any]:
        if self.name == "cpython":
            return [sys.executable]
        program = interpreters.find(self.name)
        if program is None:
            pytest.skip(interpreters.why_missing(self.name))
        return [program, "-X", f"heapsize={heap[self.name]}"]


def der(pem: bytes) -> bytes:
    """Return the DER of a PEM certificate."""
    return ssl.PEM_cert_to_DER_cert(pem.decode())
