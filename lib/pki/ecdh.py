"""ECDH with P-256 (SP 800-56A 5.7.1.2): a secret multiple of a point that somebody else made.

86 digits of 3 bits, each 1, 3, 5 or 7 or its negative, so that there are 258 doublings and 85
additions whatever the scalar is, in randomised projective coordinates. What still leaks is what
pki.p256 says of its own multiplication.
"""

import asyncio

from micropython import const

from pki import ec, ec_point, entropy, jacobian

_DIGITS = const(86)


async def shared_secret(d, octets):
    """Return the x-coordinate (32 bytes) of d times a point, for 0 < d < n.

    octets: the uncompressed point (bytes-like). Raises DerError where that is none, or is not on
    the curve.
    """
    curve = ec.P256
    point = ec_point.decode(curve, octets)  # with cofactor 1 nothing else has to be checked
    return (await multiply(d, point))[0].to_bytes(curve.size, "big")


async def multiply(k, point):
    """Return the affine (x, y) of k * point for 0 < k < n and an affine point on the curve."""
    p = ec.P256.p
    table = await jacobian.odd_multiples(p, point)
    odd = k + ec.P256.n * (1 - (k & 1))
    # Digit i of the odd number is 2 b - 7, where b is the i-th group of three bits of this.
    bits = (odd + (1 << (3 * _DIGITS)) - 1) >> 1
    x, y = _entry(table, p, bits, _DIGITS - 1)
    total = jacobian.scaled(p, (x, y, 1), entropy.below(p - 1) + 1)
    for i in range(_DIGITS - 2, -1, -1):
        total = jacobian.double(p, jacobian.double(p, total))
        x, y = _entry(table, p, bits, i)
        total = jacobian.double_add(p, total, x, y)
        await asyncio.sleep(0)  # every 20 ms of an RP2040
    # Once more, for what is inverted: see pki.p256_portable.
    return jacobian.affine(p, jacobian.scaled(p, total, entropy.below(p - 1) + 1))


def _entry(table, p, bits, i):
    """Return the point (x, y) of digit i."""
    digit = bits >> (3 * i) & 7
    x, y = table[(digit if digit > 3 else 7 - digit) - 4]
    return x, (y if digit > 3 else p - y)
