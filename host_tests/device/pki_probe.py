"""Cryptography in one interpreter, for the tests: `pki_probe.py LIB SHIM... < JSON lines`.

Each line is {"do": "verify" | "path" | "request", ...} with bytes as hex; each answer is a line
{"ok": ...} or {"error", "class"}. Errors that are not ours end the run with a traceback.
"""

import gc
import json
import sys
from binascii import hexlify, unhexlify

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

from est_errors import EstError  # noqa: E402
from pki import csr, csrattrs, keys, path, signature, x509  # noqa: E402


async def verify(spki, algorithm, message, signature_):
    arguments = [unhexlify(part) for part in (spki, algorithm, message, signature_)]
    await signature.verify(*arguments)
    return True


async def check(leaf, pool, anchors, now=None, purpose=None, strict=False, host=None):
    bags = [[x509.Certificate(unhexlify(raw)) for raw in bag] for bag in (pool, anchors)]
    leaf = x509.Certificate(unhexlify(leaf))
    above = await path.check(leaf, *bags, now, purpose and unhexlify(purpose), strict)
    if host:
        from pki import server_name

        server_name.check(leaf, host)
    return len(above)


async def request(attributes=None, **wish):
    parsed = csrattrs.CsrAttributes(unhexlify(attributes)) if attributes else None
    made = await csr.build(await keys.generate(), attributes=parsed, **wish)
    return hexlify(made).decode()


WORK = {"verify": verify, "path": check, "request": request}


async def _answer(line):
    wish = json.loads(line)
    try:
        return {"ok": await WORK[wish.pop("do")](**wish)}
    except EstError as error:
        return {"error": str(error), "class": error.__class__.__name__}


for line in sys.stdin:
    print(json.dumps(asyncio.run(_answer(line))))
    line = None
    gc.collect()  # the next line is long
