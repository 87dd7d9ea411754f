"""Many devices at once: `fleet.py COUNT PORT ANCHORS USER PASSWORD_FILE`, est.Client in one loop.

Each fetches /cacerts and enrols over a connection of its own; all of them connect before the first
goes on. Prints one JSON object: {"enrolled", "refused", "seconds"}.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path

from estctl import files
from estctl.host_key import HostKey

# isort: split
# Found once estctl has said where.
import est
import est_limits
from pki import csr, csr_parts


class Limits:
    """A board's, but for its deadlines: here hundreds of boards share one processor."""


for name in dir(est_limits):
    if name.isupper():
        setattr(Limits, name, getattr(est_limits, name))
for name in ("CONNECT_TIMEOUT", "HANDSHAKE_TIMEOUT", "IO_TIMEOUT", "REQUEST_TIMEOUT"):
    setattr(Limits, name, 240)


class Start:
    """Where all devices wait for the last one; asyncio.Barrier is not in CPython 3.10."""

    def __init__(self, count):
        self._left = count
        self._all = asyncio.Event()

    async def wait(self):
        self._left -= 1
        if not self._left:
            self._all.set()
        await self._all.wait()


async def device(number, start, arguments):
    """Enrol; return None, or the EstError in words."""
    key = HostKey.generate()
    subject, extensions = csr_parts.parts(f"CN=device-{number}", (), (), ())[:2]
    try:
        async with est.Client(limits=Limits, **arguments) as client:
            await client.connect()
            await start.wait()
            await client.cacerts()
            request = await csr.signed(key, subject, extensions, [])
            assert await client.simpleenroll(request)
    except est.EstError as error:
        return str(error)
    return None


async def main(count, arguments):
    """Let all devices enrol, and tell how that went."""
    started = time.monotonic()
    start = Start(count)
    done = await asyncio.gather(*(device(number, start, arguments) for number in range(count)))
    refused = [text for text in done if text]
    enrolled = len(done) - len(refused)
    print(
        json.dumps(
            {"enrolled": enrolled, "refused": refused, "seconds": time.monotonic() - started}
        )
    )


gc.collect = lambda: 0  # what a small heap needs often, 200 devices in one process do not
known = {"host": "127.0.0.1", "port": int(sys.argv[2]), "user": sys.argv[4]}
known["anchors"] = files.read_certificates(Path(sys.argv[3]), "anchors")
known["password"] = Path(sys.argv[5]).read_text().strip()
asyncio.run(main(int(sys.argv[1]), known))
