"""The EST client in each interpreter against servers on loopback."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

HOST_TESTS = Path(__file__).resolve().parent.parent
ROOT = HOST_TESTS.parent
sys.path[:0] = [str(HOST_TESTS), str(ROOT / "tools")]

from estctl import interpreters  # noqa: E402

SHIM = HOST_TESTS / "shim"
# The library is compiled on the fly here; objects of the 64-bit port are twice as large.
HEAP = {"unix": "320k", "unix32": "160k"}
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
        wish["anchors"] = [anchor.hex() for anchor in wish.get("anchors", ())]
        for key in ("csr", "certificate", "key"):
            if key in wish:
                wish[key] = wish[key].hex()
        command = [*self._start(), HOST_TESTS / "device/probe.py", ROOT / "lib"]
        if self.name == "cpython":
            command.append(SHIM / "cpython")
        done = subprocess.run(
            [str(part) for part in command],
            input=json.dumps(wish),
            capture_output=True,
            text=True,
            timeout=60,
        )
        lines = done.stdout.splitlines()
        assert lines and lines[-1].startswith("{"), done.stdout + done.stderr
        return json.loads(lines[-1])

    def _start(self) -> list[Any]:
        if self.name == "cpython":
            return [sys.executable]
        program = interpreters.find(self.name)
        if program is None:
            pytest.skip(interpreters.why_missing(self.name))
        return [program, "-X", f"heapsize={HEAP[self.name]}"]


@pytest.fixture(params=["cpython", "unix", "unix32"])
def device(request: pytest.FixtureRequest) -> Device:
    return Device(request.param)


@pytest.fixture(scope="session")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def context(ca):
    """A server context whose certificate `ca` issued for 127.0.0.1."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def anchor(ca) -> bytes:
    """The DER of the CA certificate that issued the server's."""
    return der(ca.cert_pem.bytes())


def der(pem: bytes) -> bytes:
    """Return the DER of a PEM certificate."""
    import ssl

    return ssl.PEM_cert_to_DER_cert(pem.decode())
