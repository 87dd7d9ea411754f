import asyncio
import hashlib
import json
import sys

from checks import araises, raises, shared, vector
from est_errors import DerError, TrustError
from pki import ec, entropy, p256, p256_portable, rfc6979, signature

N = ec.P256.n


async def test_the_nonces_and_signatures_of_rfc_6979():
    found = json.loads(vector("rfc6979/p256-sha256.json"))
    d = int(found["x"], 16)
    assert await p256.multiply_base(d) == (int(found["Ux"], 16), int(found["Uy"], 16))
    for case in found["sha256"]:
        digest = hashlib.sha256(case["message"].encode()).digest()
        assert next(rfc6979.nonces(d, digest, N)) == int(case["k"], 16)
        assert await p256.sign(d, digest) == (int(case["r"], 16), int(case["s"], 16))


async def test_the_engines_agree_and_the_fast_one_serves_in_micropython():
    fast = await p256._fast()
    assert fast == (sys.implementation.name == "micropython")
    if not fast:
        return
    for k in (1, 2, N - 1, N // 3, (1 << 255) - 1, 1 + entropy.below(N - 1)):
        assert await p256._viper.multiply_base(k) == await p256_portable.multiply_base(k), k
    for _ in range(4):
        d = 1 + entropy.below(N - 1)
        digest = entropy.octets(32)
        point = await p256.multiply_base(d)
        r, s = await p256.sign(d, digest)
        z = int.from_bytes(digest, "big")
        w = ec.inverse(s, N)
        u, v = z * w % N, r * w % N
        assert await p256._viper.verify_sum(u, v, point, r) is True
        assert await p256._viper.verify_sum(u, v, point, r + 1) is False
        assert await p256._viper.verify_sum(u + 1, v, point, r) is False
    gx, gy = ec.P256.g
    assert await p256._viper.verify_sum(5, 5, (gx, ec.P256.p - gy), 1) is None


async def test_the_fast_field_is_right_at_the_edges_wherever_its_table_begins():
    if not await p256._fast():
        return
    engine, p = p256._viper, ec.P256.p
    registers = engine._registers(12)
    edges = (0, 1, 8191, 8192, p - 1, p, p + 1, (1 << 256) - 1, (1 << 247) - 1, 1 << 224, 1 << 208)
    for a in edges + (entropy.below(p),):
        for b in edges + (entropy.below(p),):
            engine._load(registers, 1, a)
            engine._load(registers, 2, b)
            for kind in (0, 63, 65, 66, 67, 56):
                engine.run(1, registers, registers, bytes((6, 1, 2, kind)))
                found = engine._value(registers, 6)
                right = a + (kind - 64) * b if kind else a * b
                assert (found if kind else found << 260) % p == right % p, (a, b, kind)
                assert max(registers[120:140]) < 8192
    for column in range(52):
        bits = entropy.octets(33)
        sign = engine.select(column, registers, engine._COMB, bits)
        chosen = bytes(registers[80:120])
        for start in (1, 2, 3):
            table = memoryview(bytes(start) + engine._COMB)[start:]
            assert engine.select(column, registers, table, bits) == sign
            assert bytes(registers[80:120]) == chosen


async def test_an_engine_that_fails_its_known_answers_does_not_serve():
    if not await p256._fast():
        return
    engine = p256._viper
    load = engine._load
    try:
        engine._load = lambda registers, number, value: load(registers, number, value ^ 1)
        assert await engine.works() is False
    finally:
        engine._load = load
    try:
        p256._viper = False
        assert await p256.multiply_base(2) == await engine.multiply_base(2)
    finally:
        p256._viper = engine


async def test_scalars_out_of_range_are_refused():
    for k in (0, -1, N, N + 1):
        await araises(ValueError, p256.multiply_base(k))


async def test_the_portable_engine_knows_the_64_multiples_too():
    for point in json.loads(shared("p256/points.json"))["points"]:
        found = await p256_portable.multiply_base(int(point["k"], 16))
        assert found == (int(point["x"], 16), int(point["y"], 16)), point["k"]


async def test_the_64_known_multiples_of_the_base_point():
    points = json.loads(shared("p256/points.json"))["points"]
    assert len(points) == 64
    for point in points:
        found = await p256.multiply_base(int(point["k"], 16))
        assert found == (int(point["x"], 16), int(point["y"], 16)), point["k"]


async def test_scalars_at_the_edges():
    gx, gy = ec.P256.g
    assert await p256.multiply_base(1) == (gx, gy)
    assert await p256.multiply_base(N - 1) == (gx, ec.P256.p - gy)
    for k in (2, 3, (N - 1) // 2, N // 2 + 1, N - 2, 1 << 255, 1 << 208, (1 << 208) + 1):
        x, y = await p256.multiply_base(k)
        assert (y * y - x * x * x + 3 * x - ec.P256.b) % ec.P256.p == 0
        minus = await p256.multiply_base(N - k)
        assert minus == (x, ec.P256.p - y), k


async def test_a_signature_verifies_and_a_changed_one_does_not():
    d = 1 + entropy.below(N - 1)
    point = await p256.multiply_base(d)
    digest = hashlib.sha256(b"message").digest()
    r, s = await p256.sign(d, digest)
    assert await ec.verify(ec.P256, point, digest, r, s)
    assert await p256.verify(point, digest, r, s)
    assert await p256.verify(point, digest, r, N - s)
    assert not await p256.verify(point, digest, r, s ^ 1)
    assert await ec.verify(ec.P256, point, digest, r, N - s)
    for r2, s2 in ((r + 1, s), (r, s + 1), (s, r), (1, 1)):
        assert not await ec.verify(ec.P256, point, digest, r2, s2)
    assert not await ec.verify(ec.P256, point, hashlib.sha256(b"other").digest(), r, s)


async def test_sums_that_meet_the_exceptional_cases():
    # u * G + v * Q with Q = G, Q = -G and Q = 2 G: equal points, opposite points, infinity.
    gx, gy = ec.P256.g
    two = await p256.multiply_base(2)
    p = ec.P256.p
    for point, u, v, total in (
        ((gx, gy), 1, 1, 2),
        ((gx, gy), 5, 7, 12),
        ((gx, p - gy), 7, 5, 2),
        (two, 2, 1, 4),
        (two, 0, 3, 6),
        ((gx, gy), 3, 0, 3),
    ):
        found = await ec._two_multiples(ec.P256, u, v, point)
        assert ec.affine(p, [found])[0] == await p256.multiply_base(total), (u, v)
    assert not (await ec._two_multiples(ec.P256, 5, 5, (gx, p - gy)))[2]


def test_points_that_are_none_are_refused():
    gx, gy = ec.P256.g
    size, p = 32, ec.P256.p
    x, y = gx.to_bytes(size, "big"), gy.to_bytes(size, "big")
    assert ec.decode_point(ec.P256, b"\x04" + x + y) == (gx, gy)
    for bad in (
        b"",
        b"\0",  # infinity
        b"\x04" + x,
        b"\x02" + x,  # compressed
        b"\x06" + x + y,  # hybrid
        b"\x04" + x + y + b"\0",
        b"\x04" + y + x,  # not on the curve
        b"\x04" + bytes(64),
        b"\x04" + x + (gy + 1).to_bytes(size, "big"),
        b"\x04" + p.to_bytes(size, "big") + y,
        b"\x04" + b"\xff" * 64,
    ):
        raises(DerError, ec.decode_point, ec.P256, bad)


def test_signatures_out_of_range_are_refused():
    from pki import der

    def encoded(r, s):
        return der.tlv(der.SEQUENCE, der.integer(r), der.integer(s))

    assert signature.decode_ecdsa(ec.P256, encoded(1, N - 1)) == (1, N - 1)
    for r, s in ((0, 1), (1, 0), (N, 1), (1, N), (1 << 300, 1)):
        raises(TrustError, signature.decode_ecdsa, ec.P256, encoded(r, s))
    raises(TrustError, signature.decode_ecdsa, ec.P256, b"\x30\x06\x02\x01\xff\x02\x01\x01")
    raises(DerError, signature.decode_ecdsa, ec.P256, encoded(1, 1) + b"\0")
    raises(DerError, signature.decode_ecdsa, ec.P256, b"\x30\x03\x02\x01\x01")


def test_the_inverse():
    for a in (1, 2, N - 1, 1 << 255, 12345678901234567890):
        assert ec.inverse(a, N) * a % N == 1


async def test_other_tasks_run_while_it_computes():
    turns = 0
    done = False

    async def other():
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    counts = []
    for work in (
        p256_portable.multiply_base(N - 5),
        ec.verify(ec.P256, ec.P256.g, b"\x55" * 32, N - 7, N - 9),
    ):
        before = turns
        await work
        counts.append(turns - before)
    done = True
    await task
    # 51 columns, one chance each two; 256 doublings, one chance each three.
    assert counts[0] >= 25 and counts[1] >= 80, counts


def test_random_numbers_are_in_range_and_differ():
    seen = [entropy.below(1 << 64) for _ in range(8)]
    assert len(set(seen)) == 8 and max(seen) < 1 << 64
    assert [entropy.below(1) for _ in range(3)] == [0, 0, 0]
    assert len(entropy.octets(5)) == 5 and len(entropy.octets(100)) == 100
