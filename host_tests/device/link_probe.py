"""A linked enrolment in one interpreter, for the tests: `link_probe.py LIB SHIM... < JSON`.

Prints {"bindings": what each request was made for (hex or null), "requests": count, "error"}.
"""

import json
import sys
from binascii import hexlify, unhexlify

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

import est  # noqa: E402
import est_link  # noqa: E402
from pki import csr, keys  # noqa: E402


async def _enroll(wish):
    operation = wish.pop("operation", "simpleenroll")
    for name in ("certificate", "key"):
        if name in wish:
            wish[name] = unhexlify(wish[name])
    for name in ("anchors", "implicit"):
        wish[name] = [unhexlify(raw) for raw in wish.pop(name, ())]
    key = await keys.generate()
    bindings = []

    async def make(binding):
        bindings.append(binding and hexlify(binding).decode())
        more = est_link.attributes(binding)
        return await csr.build(key, "CN=x", (), (), (), None, more)

    error = None
    async with est.Client("127.0.0.1", **wish) as client:
        first = await est_link.channel_binding(client)
        try:
            await getattr(client, operation)(est_link.Linked(client, make))
        except est.EstError as found:
            error = found.__class__.__name__ + ": " + str(found)
    return {
        "first": first and hexlify(first).decode(),
        "bindings": bindings,
        "error": error,
        "handshakes": client.handshakes,
    }


print(json.dumps(asyncio.run(_enroll(json.loads(sys.stdin.read())))))
