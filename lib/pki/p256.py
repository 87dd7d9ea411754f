"""NIST P-256 (secp256r1): key generation, ECDSA signatures and their verification (FIPS 186-4).

Two engines compute multiples: pki.p256_viper, where this interpreter runs it rightly (it is tried
with known answers when it is first needed), and pki.p256_portable on big integers everywhere else,
and for the sums that are exceptional. The sequence of point operations does not depend on the
scalar, coordinates are randomised, and the nonce's inverse is blinded. What still leaks is what
big integers leak, in the portable engine and in the arithmetic modulo the order: their time and
power depend on the operands. An attacker who can measure single operations on the chip is not kept
out; one on the network sees randomised totals.
"""

import asyncio

from pki import ec, entropy

_viper = None  # the engine; False: it does not work here
_verifier = None  # the module that verifies, once it is needed


async def multiply_base(k):
    """Return the affine (x, y) of k * G for 0 < k < n. Raises ValueError for other scalars."""
    if not 0 < k < ec.P256.n:
        raise ValueError("P-256: the scalar is out of range")
    point = None
    if await _fast():
        try:
            point = await _viper.multiply_base(k)
        except MemoryError:
            _give_way()
    if point is None:
        from pki import p256_portable

        point = await p256_portable.multiply_base(k)
    return point


async def sign(d, digest):
    """Return (r, s) for the private scalar d and a 32-byte SHA-256 digest, nonce by RFC 6979."""
    from pki import rfc6979

    n = ec.P256.n
    z = int.from_bytes(digest, "big")
    nonces = rfc6979.nonces(d, digest, n)
    r = s = 0
    while not (r and s):
        k = next(nonces)
        await asyncio.sleep(0)
        r = (await multiply_base(k))[0] % n
        await asyncio.sleep(0)
        blind = 1 + entropy.below(n - 1)
        s = ec.inverse(k * blind % n, n) * (blind * (z + r * d) % n) % n
        await asyncio.sleep(0)
    return r, s


async def verify(point, digest, r, s):
    """Return whether (r, s) is the signature of a digest (FIPS 186-4 6.4.2).

    point: affine (x, y) on the curve; digest: bytes, cut to 32; r, s: in range.
    """
    global _verifier
    engine = _viper if await _fast() else None
    if not _verifier:
        _verifier = ec.alone("p256_verify")
    try:
        return await _verifier.verify(engine, point, digest, r, s)
    except MemoryError:
        if not engine:
            raise
    engine = None
    _give_way()
    return await _verifier.verify(None, point, digest, r, s)


def forget():
    """Let the engine, with its tables, leave the heap; it comes back when it is needed."""
    global _viper, _verifier
    _viper = _verifier = None


def ready():
    """Return whether an engine has been chosen."""
    return _viper is not None


async def _fast():
    """Return whether the viper engine serves; load and try it first.

    Not where it would take the heap that is left: the portable one is slower, and smaller.
    """
    global _viper
    if _viper is None:
        if not ec.has_room():
            return False
        _viper = False
        try:
            engine = ec.alone("p256_viper")
            await asyncio.sleep(0)
            if await ec.alone("p256_trial").works(engine):
                _viper = engine
        except (ImportError, SyntaxError, ValueError, AttributeError, MemoryError):
            # No machine code here, another chip's (ValueError: "incompatible .mpy file"), or
            # there was room, but in pieces.
            pass
    return bool(_viper)


def _give_way():
    """Leave the heap to the portable engine: there was room, but in pieces."""
    global _viper
    _viper = False
    import heap

    heap.forget()  # its tables, of which the C stack still speaks
