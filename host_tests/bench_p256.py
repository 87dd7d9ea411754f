"""The part of `make bench` that runs in each interpreter: `import bench_p256; bench_p256.main()`.

Prints one JSON object: what the library's P-256 costs, and two baselines that stand here, textbook
affine and Jacobian double-and-add. The engine is the one that the library chooses; where
pki.p256_viper is missing, the portable one.
"""

import asyncio
import gc
import hashlib
import json
import sys
import time

from pki import keys, signature

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
GX = 0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296
GY = 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5
K = 0xC51E4753AFDEC1E6B6C6A5B992F43F8DD0C7A8933072708B6522468B2FFB06FD  # any scalar does

_GARBAGE = 500000  # bytes that a key generation may leave, whatever the engine


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


def main(clock, times, affine_too=True):
    """Measure and print, in ticks of the clock.

    clock: "ticks_us", or "ticks_cpu" of a machine that counts instructions; times: how often each
    operation runs; affine_too: the textbook baseline, which is by far the slowest.
    """
    now = getattr(time, clock, lambda: time.perf_counter_ns() // 1000)  # else in CPython
    difference = getattr(time, "ticks_diff", lambda end, start: end - start)

    def least_of(work, count):
        took = []
        for _ in range(count):
            gc.collect()
            started = now()
            work()
            took.append(difference(now(), started))
        return min(took)  # other programs on the computer only add

    digest = hashlib.sha256(b"message").digest()
    sec1 = b"\x30\x25\x02\x01\x01\x04\x20" + K.to_bytes(32, "big")
    key = asyncio.run(keys.load(sec1))
    spki = asyncio.run(key.public_key())
    signed = asyncio.run(key.sign(digest))

    def verify():
        asyncio.run(signature.verify(spki, key.signature_algorithm, b"message", signed))

    x, y = jacobian(K)
    assert spki[-64:] == x.to_bytes(32, "big") + y.to_bytes(32, "big")
    figures = {
        "jacobian": least_of(lambda: jacobian(K), times // 2 + 1),
        "keygen": least_of(lambda: asyncio.run(keys.generate()), times),
        "sign": least_of(lambda: asyncio.run(key.sign(digest)), times),
        "verify": least_of(verify, times),
        "engine": "portable" if "pki.p256_portable" in sys.modules else "viper",
    }
    if affine_too:
        assert affine(K) == (x, y)
        figures["affine"] = least_of(lambda: affine(K), times // 8 + 1)
    gc.collect()
    if hasattr(gc, "mem_alloc") and gc.mem_free() > _GARBAGE:
        gc.disable()
        before = gc.mem_alloc()
        asyncio.run(keys.generate())
        figures["garbage_bytes"] = gc.mem_alloc() - before
        gc.enable()
    print(json.dumps(figures))
