"""Short Weierstrass curves y^2 = x^3 - 3x + b (SEC 1, FIPS 186): their parameters and points.

pki.jacobian computes with points on big integers.
"""

import gc
import sys

from micropython import const

_ROOM = const(14336)  # bytes of heap for pki.p256 and its fast engine: to verify takes the most


class Curve:
    """The parameters of a curve of prime order (cofactor 1), and its size in octets.

    most_work: multiplications between two chances for other tasks: about 20 ms of an RP2040.
    """

    def __init__(self, p, b, n, gx, gy):
        self.p = p
        self.b = b
        self.n = n
        self.g = (gx, gy)
        self.size = (len("%x" % p) + 1) // 2
        self.most_work = 50 if self.size <= 32 else 25


P256 = Curve(
    0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF,
    0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def has_room():
    """Return whether the heap has room for the fast engine of P-256."""
    gc.collect()
    return gc.mem_free() >= (_ROOM * 2 if sys.maxsize >> 32 else _ROOM)  # wider objects


def decode_point(curve, octets):
    """Return the affine (x, y) of an uncompressed SEC 1 point (bytes-like).

    Raises DerError where it is not one, is out of range, or is not on the curve.
    """
    size = curve.size
    fault = "this is not an uncompressed point"
    if len(octets) == 1 + 2 * size and octets[0] == 4:
        x = int.from_bytes(bytes(octets[1 : 1 + size]), "big")
        y = int.from_bytes(bytes(octets[1 + size :]), "big")
        p = curve.p
        if x < p and y < p and not (y * y - (x * x - 3) * x - curve.b) % p:
            return x, y
        fault = "the point is not on the curve"
    from est_errors import DerError

    raise DerError("EC: " + fault)


def inverse(a, m):
    """Return the inverse of a modulo a prime m, by Euclid; its time depends on a."""
    r, next_r, t, next_t = m, a % m, 0, 1
    while next_r:
        quotient, rest = divmod(r, next_r)
        r, next_r = next_r, rest
        t, next_t = next_t, t - quotient * next_t
    return t % m


def alone(name):
    """Load a module of pki that the caller alone holds, so that it leaves the heap with it."""
    package = __import__("pki." + name)
    module = getattr(package, name)
    # In this order: where memory ends in between, the next import finds nothing, and loads it.
    del sys.modules["pki." + name]
    delattr(package, name)
    return module
