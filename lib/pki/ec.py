"""Short Weierstrass curves y^2 = x^3 - 3x + b (SEC 1, FIPS 186): points and ECDSA verification.

Points are Jacobian (X, Y, Z) for affine (X / Z^2, Y / Z^3), so that nothing is inverted on the
way; infinity is Z = 0. verify() is for public values only: its time depends on them. Long
computations give way to other asyncio tasks after a fixed number of steps.
"""

import asyncio
import gc

from est_errors import DerError
from micropython import const

_ROOM = const(14336)  # bytes of heap for pki.p256 and its fast engine: code, table, registers
_WINDOW = const(4)  # of the wNAF: odd multiples up to 7; a wider one costs more heap than time


class Curve:
    """The parameters of a curve of prime order (cofactor 1), and its size in octets.

    stride: doublings between two chances for other tasks: about 20 ms of an RP2040.
    """

    def __init__(self, p, b, n, gx, gy):
        self.p = p
        self.b = b
        self.n = n
        self.g = (gx, gy)
        self.size = (len("%x" % p) + 1) // 2
        self.stride = 3 if self.size <= 32 else 2


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
    return gc.mem_free() >= _ROOM


def decode_point(curve, octets):
    """Return the affine (x, y) of an uncompressed SEC 1 point (bytes-like).

    Raises DerError where it is not one, is out of range, or is not on the curve.
    """
    size = curve.size
    if len(octets) != 1 + 2 * size or octets[0] != 4:
        raise DerError("EC: this is not an uncompressed point")
    x = int.from_bytes(bytes(octets[1 : 1 + size]), "big")
    y = int.from_bytes(bytes(octets[1 + size :]), "big")
    p = curve.p
    if x >= p or y >= p or (y * y - (x * x - 3) * x - curve.b) % p:
        raise DerError("EC: the point is not on the curve")
    return x, y


async def verify(curve, point, digest, r, s):
    """Return whether (r, s) is the signature of a digest (FIPS 186-4 6.4.2).

    point: affine (x, y) on the curve; digest: bytes, cut to the curve's size; r, s: in range.
    """
    n = curve.n
    z = int.from_bytes(digest[: curve.size], "big")
    w = inverse(s, n)
    total = await _two_multiples(curve, z * w % n, r * w % n, point)
    if not total[2]:
        return False
    # x = X / Z^2, and r is x modulo n: compared without an inversion.
    zz = total[2] * total[2] % curve.p
    while r < curve.p:
        if (r * zz - total[0]) % curve.p == 0:
            return True
        r += n
    return False


def inverse(a, m):
    """Return the inverse of a modulo a prime m, by Euclid; its time depends on a."""
    r, next_r, t, next_t = m, a % m, 0, 1
    while next_r:
        quotient, rest = divmod(r, next_r)
        r, next_r = next_r, rest
        t, next_t = next_t, t - quotient * next_t
    return t % m


def double(p, point):
    """Return 2 * point (Jacobian) modulo p; infinity stays infinity."""
    x, y, z = point
    zz = z * z % p
    m = 3 * (x - zz) * (x + zz) % p
    yy = y * y % p
    s = 4 * x * yy % p
    nx = (m * m - 2 * s) % p
    return nx, (m * (s - nx) - 8 * yy * yy) % p, 2 * y * z % p


def add_affine(p, point, x2, y2):
    """Return point (Jacobian) plus the affine (x2, y2), modulo p."""
    x, y, z = point
    if not z:
        return x2, y2, 1
    zz = z * z % p
    h = (x2 * zz - x) % p
    r = (y2 * (z * zz % p) - y) % p
    if not h:
        return double(p, point) if not r else (1, 1, 0)
    hh = h * h % p
    hhh = h * hh % p
    v = x * hh % p
    nx = (r * r - hhh - 2 * v) % p
    return nx, (r * (v - nx) - y * hhh) % p, z * h % p


def scaled(p, point, by):
    """Return the same point (Jacobian) with other coordinates, for `by` other than 0 modulo p."""
    x, y, z = point
    square = by * by % p
    return x * square % p, y * (square * by % p) % p, z * by % p


def affine(p, points):
    """Return Jacobian points, none of them infinity, as affine ones: one inversion for all."""
    products = []
    product = 1
    for point in points:
        products.append(product)
        product = product * point[2] % p
    left = inverse(product, p)
    out = [None] * len(points)
    for i in range(len(points) - 1, -1, -1):
        x, y, z = points[i]
        zi = left * products[i] % p
        left = left * z % p
        zz = zi * zi % p
        out[i] = (x * zz % p, y * (zz * zi % p) % p)
    return out


async def _two_multiples(curve, u, v, point):
    """Return u * G + v * point, interleaved (Jacobian)."""
    p = curve.p
    tables = affine(p, odd_multiples(p, curve.g) + odd_multiples(p, point))
    half = len(tables) // 2
    digits_u, digits_v = wnaf(u), wnaf(v)
    total = (1, 1, 0)
    for i in range(max(len(digits_u), len(digits_v)) - 1, -1, -1):
        total = double(p, total)
        for digits, base in ((digits_u, 0), (digits_v, half)):
            digit = digits[i] - 16 if i < len(digits) else 0
            if digit:
                x, y = tables[base + abs(digit) // 2]
                total = add_affine(p, total, x, y if digit > 0 else p - y)
        if not i % curve.stride:
            await asyncio.sleep(0)
    return total


def odd_multiples(p, point):
    """Return [1, 3, 5, 7] * an affine point as Jacobian points."""
    # On an isomorphic curve, where the double is an affine point: its z is 1 there. So the
    # additions are the cheap mixed ones, and nothing is inverted.
    x2, y2, z2 = double(p, (point[0], point[1], 1))
    zz = z2 * z2 % p
    found = [(point[0] * zz % p, point[1] * (zz * z2 % p) % p, 1)]
    for _ in range((1 << (_WINDOW - 2)) - 1):
        found.append(add_affine(p, found[-1], x2, y2))
    return [(x, y, z * z2 % p) for x, y, z in found]


def wnaf(k):
    """Return the non-adjacent form of k of that width, lowest first: a bytearray of digit + 16."""
    digits = bytearray()
    while k:
        digit = k & ((1 << _WINDOW) - 1)
        if digit & 1:
            if digit >> (_WINDOW - 1):
                digit -= 1 << _WINDOW
            digits.append(digit + 16)
            digits.extend(b"\x10" * (_WINDOW - 1))
            k = (k - digit) >> _WINDOW
        else:
            digits.append(16)
            k >>= 1
    return digits
