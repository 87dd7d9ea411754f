"""The part of `make bench` that fetches CA certificates: bench_cacerts.main(port, anchor, wanted).

It has to come through with the heap that the interpreter was started with.
"""

import asyncio
import gc
from binascii import unhexlify

import est
import est_limits

# The numbers of the boards with more memory (ESP32-S3, Pico 2): the others refuse 16 KB.
est_limits.MAX_BODY = 17408
est_limits.MAX_CERTIFICATES = 17


async def _fetch(port, anchor):
    async with est.Client("127.0.0.1", port, anchors=[anchor]) as client:
        return len(await client.cacerts())


def main(port, anchor, wanted):
    """Fetch from a port of this machine; anchor: in hex; wanted: certificates that must count."""
    gc.threshold(max(4096, gc.mem_free() // 16))  # as boot.py does
    assert asyncio.run(_fetch(port, unhexlify(anchor))) == wanted
    print("fetched")
