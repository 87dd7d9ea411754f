"""Short Weierstrass curves y^2 = x^3 - 3x + b (SEC 1, FIPS 186): their parameters.

Each is a class that holds its numbers. pki.ec_point reads points, and pki.jacobian computes with
them on big integers.
"""

import gc
import sys

from micropython import const

_ROOM = const(14336)  # bytes of heap for pki.p256 and its fast engine: to verify takes the most


class P256:
    """NIST P-256: y^2 = x^3 - 3 x + b modulo p; its base point g has the prime order n."""

    size = 32  # octets of a coordinate
    p = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    g = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )


def has_room():
    """Return whether the heap has room for the fast engine of P-256."""
    gc.collect()
    return gc.mem_free() >= (_ROOM * 2 if sys.maxsize >> 32 else _ROOM)  # wider objects


def inverse(a, m):
    """Return the inverse of a modulo a prime m, by Euclid; its time depends on a. Of 0 it is 0.

    A number holds both a remainder and, below it and perhaps negative, the multiple of a that this
    remainder is: one division a step, and little garbage.
    """
    shift = 4 * len("%x" % m) + 2
    one = 1 << shift
    before, now = m << shift, (a % m << shift) + 1
    end = one | one >> 1
    while now > end:
        before, now = now, before % now
    return (now - one) % m if now > 1 else 0


def alone(name):
    """Load a module of pki that the caller alone holds, so that it leaves the heap with it."""
    package = __import__("pki." + name)
    module = getattr(package, name)
    # In this order: where memory ends in between, the next import finds nothing, and loads it.
    del sys.modules["pki." + name]
    delattr(package, name)
    return module
