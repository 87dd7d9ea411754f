"""Sums of points on big integers, on the curves of pki.ec, and ECDSA verification (FIPS 186).

Points are Jacobian (X, Y, Z) for affine (X / Z^2, Y / Z^3), so that nothing is inverted on the
way; infinity is Z = 0. verify() is for public values only: its time depends on them. Long
computations give way to other asyncio tasks after a fixed number of steps.
"""

import asyncio

from pki import ec


async def verify(curve, point, digest, r, s, multiples=None):
    """Return whether (r, s) is the signature of a digest (FIPS 186-4 6.4.2).

    point: affine (x, y) on the curve; digest: bytes, cut to the curve's size; r, s: in range.
    multiples: x and y, as octets, of 1, 3, 5 ... 31 times the base point, where they are at hand.
    """
    n = curve.n
    z = int.from_bytes(digest[: curve.size], "big")
    w = ec.inverse(s, n)
    await asyncio.sleep(0)
    total = await _two_multiples(curve, z * w % n, r * w % n, point, multiples)
    if not total[2]:
        return False
    # x = X / Z^2, and r is x modulo n: compared without an inversion.
    zz = total[2] * total[2] % curve.p
    while r < curve.p:
        if (r * zz - total[0]) % curve.p == 0:
            return True
        r += n
    return False


def double(p, point):
    """Return 2 * point (Jacobian) modulo p; infinity stays infinity."""
    x, y, z = point
    zz = z * z % p
    m = 3 * (x - zz) * (x + zz) % p
    y2 = y + y
    yy = y2 * y % p  # 2 y^2, and twice that is 4 y^2
    yy4 = yy + yy
    s = x * yy4 % p
    nx = (m * m - (s + s)) % p
    return nx, (m * (s - nx) - yy4 * yy) % p, y2 * z % p


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


def double_add(p, point, x2, y2):
    """Return 2 * point (Jacobian) plus the affine (x2, y2), modulo p.

    It is point + (point + the other), where the two of the second sum have one Z: it costs one
    multiplication and many small sums less than double() and add_affine() (Longa and Miri).
    """
    x, y, z = point
    if not z:
        return x2, y2, 1
    zz = z * z % p
    h = (x2 * zz - x) % p
    r = (y2 * (z * zz % p) - y) % p
    hh = h * h % p
    hhh = h * hh % p
    x = x * hh % p
    y = y * hhh % p
    h2 = (r * r - hhh - 3 * x) % p
    z = z * h % p * h2 % p
    if not z:
        # One of the sums is exceptional.
        return add_affine(p, double(p, point), x2, y2)
    r = (r * h2 + (y + y)) % p
    hh = h2 * h2 % p
    hhh = h2 * hh % p
    x = x * hh % p
    nx = (r * r - hhh - (x + x)) % p
    return nx, (r * (nx - x) - y * hhh) % p, z


def scaled(p, point, by):
    """Return the same point (Jacobian) with other coordinates, for `by` other than 0 modulo p."""
    x, y, z = point
    square = by * by % p
    return x * square % p, y * (square * by % p) % p, z * by % p


def affine(p, point):
    """Return a Jacobian point that is not infinity as an affine one."""
    x, y, z = point
    z = ec.inverse(z, p)
    zz = z * z % p
    return x * zz % p, y * (zz * z % p) % p


async def _two_multiples(curve, u, v, point, multiples=None):
    """Return u * G + v * point, interleaved (Jacobian)."""
    p, size = curve.p, curve.size
    # First what is large, before small pieces lie about in a heap that has little left.
    digits_u, digits_v = wnaf(u, size, 6 if multiples else 4), wnaf(v, size, 5 if multiples else 4)
    ours = multiples or await odd_multiples(p, curve.g)
    await asyncio.sleep(0)
    # Eight of them take a little less time, and half a kilobyte: where there is room for ours.
    theirs = await odd_multiples(p, point, 8 if multiples else 4)
    both = ((digits_u, ours), (digits_v, theirs))
    total = (1, 1, 0)
    work = 0  # multiplications since others had a chance: at most about 12 ms of an RP2040
    most_work = 25 if size <= 32 else 12
    for i in range(8 * size, -1, -1):
        cost = 8 + 10 * (digits_u[i] != 32) + 11 * (digits_v[i] != 32)
        work += cost
        if work > most_work:
            work = cost
            await asyncio.sleep(0)
        step = double_add
        for digits, table in both:
            digit = digits[i] - 32
            if digit:
                at = abs(digit) >> 1
                if table is multiples:
                    at *= 2 * size
                    x = int.from_bytes(table[at : at + size], "big")
                    y = int.from_bytes(table[at + size : at + 2 * size], "big")
                else:
                    x, y = table[at]
                total = step(p, total, x, y if digit > 0 else p - y)
                step = add_affine
        if step is double_add:
            total = double(p, total)
    return total


async def odd_multiples(p, point, count=4):
    """Return [1, 3, 5, 7 ...] * an affine point as affine points; 4 of them: a window of 4."""
    # Sums of two points that have one Z cost half (Meloni): the double (dx, dy), and the multiple
    # to which it is added. Both get the Z of the sum.
    x, y = point
    z = y + y
    yy = z * y % p
    m = 3 * (x * x - 1) % p
    x = x * (yy + yy) % p
    y = (yy + yy) * yy % p
    dx = (m * m - (x + x)) % p
    dy = (m * (x - dx) - y) % p
    found = []
    for _ in range(count - 1):
        h = x - dx
        hh = h * h % p
        r = y - dy
        dx = dx * hh % p
        v = x * hh % p
        dy = dy * (v - dx) % p
        x = (r * r - dx - v) % p
        y = (r * (dx - x) - dy) % p
        z = z * h % p
        found.append((x, y, h))
    await asyncio.sleep(0)
    inverse = ec.inverse(z, p)
    await asyncio.sleep(0)
    for i in range(count - 2, -1, -1):
        x, y, h = found[i]
        zz = inverse * inverse % p
        found[i] = x * zz % p, y * (zz * inverse % p) % p
        inverse = inverse * h % p  # of the Z before
    await asyncio.sleep(0)
    return [point] + found


def wnaf(k, size, window):
    """Return the non-adjacent form of k (less than 256^size), of a width of up to 6.

    It is a bytearray of 8 * size + 1 digits, the lowest first, to each of which 32 is added.
    """
    octets = k.to_bytes(size + 2, "little")
    digits = bytearray(8 * size + 1)
    for i in range(len(digits)):
        digits[i] = 32
    full = 1 << window
    i = carry = 0
    while i <= 8 * size:
        at = i >> 3
        digit = ((octets[at] | octets[at + 1] << 8) >> (i & 7) & (full - 1)) + carry
        if digit & 1:
            carry = 2 * digit // full
            digits[i] = digit + 32 - carry * full
            i += window
        else:
            i += 1
    return digits
