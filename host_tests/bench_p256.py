"""The part of `make bench` that runs in each interpreter: `bench_p256.py LIB...`.

Prints one JSON object: times in microseconds (medians) of the library's P-256 and of two
baselines that stand here, textbook affine and Jacobian double-and-add, and the garbage of one key
generation.
"""

import json
import sys
import time

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402
import gc  # noqa: E402
import hashlib  # noqa: E402

from pki import keys, signature  # noqa: E402

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
K = 0xC51E4753AFDEC1E6B6C6A5B992F43F8DD0C7A8933072708B6522468B2FFB06FD  # any scalar does


def affine(k):
    """k * G the textbook way: one inversion by pow a step."""
    result = None
    x, y = GX, GY
    while k:
        if k & 1:
            result = _affine_add(result, (x, y))
        x, y = _affine_add((x, y), (x, y))
        k >>= 1
    return result


def _affine_add(a, b):
    if a is None:
        return b
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], P - 2, P) % P
    else:
        slope = (b[1] - a[1]) * pow((b[0] - a[0]) % P, P - 2, P) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def jacobian(k):
    """k * G in Jacobian coordinates, double-and-add from the left, one inversion at the end."""
    x, y, z = GX, GY, 1
    for i in range(254, -1, -1):
        x, y, z = _jacobian_double(x, y, z)
        if k >> i & 1:
            x, y, z = _jacobian_add(x, y, z, GX, GY)
    inverse = pow(z, P - 2, P)
    return x * inverse * inverse % P, y * inverse * inverse * inverse % P


def _jacobian_double(x, y, z):
    zz = z * z % P
    m = 3 * (x - zz) * (x + zz) % P
    yy = y * y % P
    s = 4 * x * yy % P
    nx = (m * m - 2 * s) % P
    return nx, (m * (s - nx) - 8 * yy * yy) % P, 2 * y * z % P


def _jacobian_add(x, y, z, bx, by):
    zz = z * z % P
    h = (bx * zz - x) % P
    r = (by * z * zz - y) % P
    hh = h * h % P
    hhh = h * hh % P
    v = x * hh % P
    nx = (r * r - hhh - 2 * v) % P
    return nx, (r * (v - nx) - y * hhh) % P, z * h % P


def _now_us():
    return time.ticks_us() if hasattr(time, "ticks_us") else time.perf_counter_ns() // 1000


def _median_of(work, times):
    took = []
    for _ in range(times):
        gc.collect()
        started = _now_us()
        work()
        took.append(_now_us() - started)
    return sorted(took)[times // 2]


def _main():
    digest = hashlib.sha256(b"message").digest()
    key = asyncio.run(keys.generate())
    spki = asyncio.run(key.public_key())
    signed = asyncio.run(key.sign(digest))

    def verify():
        asyncio.run(signature.verify(spki, key.signature_algorithm, b"message", signed))

    assert affine(K) == jacobian(K)
    verify()
    figures = {
        "affine_us": _median_of(lambda: affine(K), 3),
        "jacobian_us": _median_of(lambda: jacobian(K), 5),
        "keygen_us": _median_of(lambda: asyncio.run(keys.generate()), 9),
        "sign_us": _median_of(lambda: asyncio.run(key.sign(digest)), 9),
        "verify_us": _median_of(verify, 9),
    }
    if hasattr(gc, "mem_alloc"):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        asyncio.run(keys.generate())
        figures["garbage_bytes"] = gc.mem_alloc() - before
        gc.enable()
    print(json.dumps(figures))


_main()
