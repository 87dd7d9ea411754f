"""Cryptography in one interpreter, for the tests: `pki_probe.py LIB SHIM... < JSON lines`.

Each line is {"do": "verify" | "path" | ..., ...} with bytes as hex: WORK below has them all. Each
answer is a line {"ok": ...} or {"error", "class"}. Errors that are not ours end the run with a
traceback.
"""

import gc
import json
import sys
from binascii import hexlify, unhexlify

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

import est_limits  # noqa: E402
from est_errors import EstError  # noqa: E402
from pki import built_path, path, signature, x509  # noqa: E402


async def verify(spki, algorithm, message, signature_, limits=None):
    arguments = [unhexlify(part) for part in (spki, algorithm, message, signature_)]
    await signature.verify(*arguments, limits=board(limits))
    return True


async def check(
    leaf,
    pool,
    anchors,
    now=None,
    purpose=None,
    strict=False,
    host=None,
    crls=None,
    piece=300,
    limits=None,
):
    """Check a path; with a list of CRLs also that none of its certificates is revoked."""
    pool, anchors = certificates(pool), certificates(anchors)
    leaf = x509.Certificate(unhexlify(leaf))
    limits = board(limits)
    purpose = purpose and unhexlify(purpose)
    above = await path.check(leaf, pool, anchors, now, purpose, strict, limits)
    if host:
        from pki import server_name

        server_name.check(leaf, host)
    if crls is not None:
        from pki import revocation

        source = Crls([unhexlify(one) for one in crls], piece)
        view = memoryview(bytearray(512))
        checker = revocation.Checker([leaf] + above, pool, source, view, now, limits)
        for i in range(len(above) - 1, -1, -1):
            await checker.check(i)
    return len(above)


async def built(chain, now=None, purpose=None, limits=None):
    """Check a path of which the signatures were verified elsewhere."""
    built_path.check(certificates(chain), now, purpose and unhexlify(purpose), board(limits))
    return len(chain)


async def look_up(chain, authorities=(), policy="hard", now=None, limits=None):
    """Look a chain up in CRLs over HTTP; return [level, line] of each of its lines."""
    import est_revocation

    lines = []
    ders = [[unhexlify(raw) for raw in bag] for bag in (chain, authorities)]
    await est_revocation.check(*ders, policy, board(limits), now, lambda *line: lines.append(line))
    return lines


async def turns(wish):
    """Return how many turns another task gets while a wish is performed."""
    count = 0

    async def other():
        nonlocal count
        while True:
            await asyncio.sleep(0)
            count += 1

    task = asyncio.create_task(other())
    try:
        await WORK[wish.pop("do")](**wish)
    finally:
        task.cancel()
    return count


class Crls:
    """Serves CRLs to revocation.Checker: all of them are candidates for everything."""

    def __init__(self, crls, piece):
        self._crls = crls
        self._piece = piece

    def candidates(self, points):
        return range(len(self._crls))

    async def open(self, key):
        return Octets(self._crls[key], self._piece)


class Octets:
    """A stream over bytes, which come a few at a time."""

    def __init__(self, octets, piece):
        self._octets = octets
        self._piece = piece
        self._at = 0

    async def readinto(self, view):
        part = self._octets[self._at : self._at + min(len(view), self._piece)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    async def close(self):
        pass


def certificates(bag):
    return [x509.Certificate(unhexlify(raw)) for raw in bag]


def board(numbers):
    """Return limits in which some numbers are other ones."""

    class Limits:
        pass

    for name in dir(est_limits):
        if name[0] != "_":
            setattr(Limits, name, (numbers or {}).get(name, getattr(est_limits, name)))
    return Limits


async def request(attributes=None, **wish):
    from pki import csr, csrattrs, keys

    parsed = csrattrs.CsrAttributes(unhexlify(attributes)) if attributes else None
    made = await csr.build(await keys.generate(), attributes=parsed, **wish)
    return hexlify(made).decode()


async def renewal(certificate, key=None, new_subject=None, new_san=None):
    """Build the request that renews a certificate, with its key (hex) or a new one."""
    from pki import keys, renewal

    key = await (keys.load(unhexlify(key)) if key else keys.generate())
    made = await renewal.build(key, unhexlify(certificate), new_subject, new_san)
    return hexlify(made).decode()


async def anchors(anchors, received, now, strangers=False, fingerprint=None):
    """Decide what counts of a /cacerts answer."""
    import est_anchors
    import est_pinned

    bags = [[unhexlify(raw) for raw in bag] for bag in (anchors, received)]
    if fingerprint:
        root = await est_pinned.root(bags[1], unhexlify(fingerprint), now)
        found = await est_anchors.updated([root], bags[1], now, False)
    else:
        found = await est_anchors.updated(bags[0], bags[1], now, strangers)
    return [
        [hexlify(raw).decode() for raw in found.anchors],
        [hexlify(raw).decode() for raw in found.authorities],
        found.refused,
    ]


async def candidate(received, now):
    """Find the root that a person may approve."""
    import est_pinned

    found = await est_pinned.candidate([unhexlify(raw) for raw in received], now)
    return hexlify(found).decode()


async def engine(name):
    """Choose the engine of P-256 from now on, "viper" or "portable"; return which one serves."""
    from pki import p256

    p256._viper = None if name == "viper" else False
    return "viper" if await p256._fast() else "portable"


async def multiple(k):
    """Return the affine point k * G."""
    from pki import p256

    return ["%064x" % part for part in await p256.multiply_base(int(k, 16))]


async def point(encoded):
    """Decode an uncompressed point of P-256."""
    from pki import ec, ec_point

    return ["%064x" % part for part in ec_point.decode(ec.P256, unhexlify(encoded))]


async def sign(d, digest, k):
    """Sign with a nonce from outside, which the library itself never does."""
    from pki import p256, rfc6979

    own = rfc6979.nonces
    rfc6979.nonces = lambda *_: iter((int(k, 16),))
    try:
        return ["%064x" % part for part in await p256.sign(int(d, 16), unhexlify(digest))]
    finally:
        rfc6979.nonces = own


WORK = {
    "anchors": anchors,
    "engine": engine,
    "multiple": multiple,
    "point": point,
    "sign": sign,
    "candidate": candidate,
    "verify": verify,
    "path": check,
    "built": built,
    "request": request,
    "renewal": renewal,
    "look_up": look_up,
    "turns": turns,
}


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
