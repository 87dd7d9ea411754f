import asyncio
import hashlib
import json
import sys

from checks import araises, raises, shared, vector
from est_errors import DerError, TrustError
from pki import (
    ec,
    ec_point,
    ecdh,
    entropy,
    jacobian,
    p256,
    p256_multiples,
    p256_portable,
    p256_trial,
    p256_verify,
    p384,
    rfc6979,
    signature,
)

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
        assert await p256_verify.verify_sum(p256._viper, u, v, point, r) is True
        assert await p256_verify.verify_sum(p256._viper, u, v, point, r + 1) is False
        assert await p256_verify.verify_sum(p256._viper, u + 1, v, point, r) is False
    gx, gy = ec.P256.g
    assert await p256_verify.verify_sum(p256._viper, 5, 5, (gx, ec.P256.p - gy), 1) is None


async def test_the_fast_field_is_right_at_the_edges_wherever_its_table_begins():
    if not await p256._fast():
        return
    engine, p = p256._viper, ec.P256.p
    registers = engine.make_registers(12)
    edges = (0, 1, 8191, 8192, p - 1, p, p + 1, (1 << 256) - 1, (1 << 247) - 1, 1 << 224, 1 << 208)
    for a in edges + (entropy.below(p),):
        for b in edges + (entropy.below(p),):
            engine.load(registers, 1, a)
            engine.load(registers, 2, b)
            for kind in (0, 63, 65, 66, 67, 56):
                engine.run(1, registers, registers, bytes((6, 1, 2, kind)))
                found = engine.value(registers, 6)
                right = a + (kind - 64) * b if kind else a * b
                assert (found if kind else found << 260) % p == right % p, (a, b, kind)
                assert max(registers[120:140]) < 8192
    for column in range(52):
        bits = entropy.octets(33)
        sign = engine.pick(column, registers, engine._COMB, bits)
        chosen = bytes(registers[80:120])
        for start in (1, 2, 3):
            table = memoryview(bytes(start) + engine._COMB)[start:]
            assert engine.pick(column, registers, table, bits) == sign
            assert bytes(registers[80:120]) == chosen


async def test_an_engine_that_fails_its_known_answers_does_not_serve():
    if not await p256._fast():
        return
    engine = p256._viper
    load = engine.load
    try:
        engine.load = lambda registers, number, value: load(registers, number, value ^ 1)
        assert await p256_trial.works(engine) is False
    finally:
        engine.load = load
    assert await p256_trial.works(engine) is True
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
    assert await jacobian.verify(ec.P256, point, digest, r, s)
    assert await p256.verify(point, digest, r, s)
    assert await p256.verify(point, digest, r, N - s)
    assert not await p256.verify(point, digest, r, s ^ 1)
    assert await jacobian.verify(ec.P256, point, digest, r, N - s)
    for r2, s2 in ((r + 1, s), (r, s + 1), (s, r), (1, 1)):
        assert not await jacobian.verify(ec.P256, point, digest, r2, s2)
    assert not await jacobian.verify(ec.P256, point, hashlib.sha256(b"other").digest(), r, s)


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
        found = await jacobian._two_multiples(ec.P256, u, v, point)
        assert jacobian.affine(p, found) == await p256.multiply_base(total), (u, v)
    assert not (await jacobian._two_multiples(ec.P256, 5, 5, (gx, p - gy)))[2]


def test_points_that_are_none_are_refused():
    gx, gy = ec.P256.g
    size, p = 32, ec.P256.p
    x, y = gx.to_bytes(size, "big"), gy.to_bytes(size, "big")
    assert ec_point.decode(ec.P256, b"\x04" + x + y) == (gx, gy)
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
        raises(DerError, ec_point.decode, ec.P256, bad)


def test_signatures_out_of_range_are_refused():
    from pki import der, der_writer

    def encoded(r, s):
        return der_writer.tlv(der.SEQUENCE, der_writer.integer(r), der_writer.integer(s))

    assert signature.decode_ecdsa(ec.P256, encoded(1, N - 1)) == (1, N - 1)
    for r, s in ((0, 1), (1, 0), (N, 1), (1, N), (1 << 300, 1)):
        raises(TrustError, signature.decode_ecdsa, ec.P256, encoded(r, s))
    raises(TrustError, signature.decode_ecdsa, ec.P256, b"\x30\x06\x02\x01\xff\x02\x01\x01")
    raises(DerError, signature.decode_ecdsa, ec.P256, encoded(1, 1) + b"\0")
    raises(DerError, signature.decode_ecdsa, ec.P256, b"\x30\x03\x02\x01\x01")


def test_the_inverse():
    for m in (ec.P256.p, N, p384.P384.p, p384.P384.n):
        assert ec.inverse(0, m) == ec.inverse(m, m) == 0
        # The quotients are large, are all 1 or 2, or come at the very end.
        edges = [1, 2, 3, m - 1, m - 2, m // 2, m // 2 + 1, m // 3, (m * 2584 + 2090) // 4181]
        edges += [1 << bit for bit in range(0, 384, 5)] + [
            m - (1 << bit) for bit in range(0, 250, 7)
        ]
        for a in edges + [entropy.below(1 << 256) for _ in range(50)]:
            found = ec.inverse(a, m)
            assert 0 < found < m and found * a % m == 1, (a, m)


async def test_other_tasks_run_after_30_multiplications_at_the_latest():
    costs = {"double": 8, "add_affine": 11, "double_add": 18}
    kept = {name: getattr(jacobian, name) for name in costs}
    turns = work = most = 0
    done = False

    def counted(name):
        def step(*given):
            nonlocal work, most
            work += costs[name]
            most = max(most, work)
            return kept[name](*given)

        return step

    async def other():
        nonlocal turns, work
        while not done:
            turns += 1
            work = 0
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    counts = []
    try:
        for name in costs:
            setattr(jacobian, name, counted(name))
        for work_of in (
            p256_portable.multiply_base(N - 5),
            jacobian.verify(ec.P256, ec.P256.g, b"\x55" * 32, N - 7, N - 9),
            jacobian.verify(
                ec.P256, ec.P256.g, b"\x55" * 32, N - 7, N - 9, p256_multiples.octets()
            ),
        ):
            before = turns
            await work_of
            counts.append(turns - before)
    finally:
        for name in costs:
            setattr(jacobian, name, kept[name])
    done = True
    await task
    assert 20 < most <= 30, most
    # 51 columns, one chance each; 3,200 multiplications.
    assert counts[0] >= 51 and min(counts[1:]) >= 107, counts


async def test_doubling_and_adding_at_once():
    p = ec.P256.p
    gx, gy = ec.P256.g
    two = await p256.multiply_base(2)
    infinity = (1, 1, 0)
    for point, other, total in (
        ((gx, gy), two, 4),
        ((gx, gy), (gx, gy), 3),  # point + other is exceptional
        ((gx, gy), (gx, p - gy), 1),  # it is infinity
        (two, (gx, gy), 5),
    ):
        found = jacobian.double_add(p, (point[0] * 4 % p, point[1] * 8 % p, 2), other[0], other[1])
        assert jacobian.affine(p, found) == await p256.multiply_base(total), total
    # 2 * point + other is infinity, and so was the point.
    assert jacobian.double_add(p, (gx, gy, 1), two[0], p - two[1])[2] == 0
    assert jacobian.double_add(p, infinity, gx, gy) == (gx, gy, 1)
    for i, found in enumerate(await jacobian.odd_multiples(p, two)):
        assert found == await p256.multiply_base(4 * i + 2)


def test_random_numbers_are_in_range_and_differ():
    seen = [entropy.below(1 << 64) for _ in range(8)]
    assert len(set(seen)) == 8 and max(seen) < 1 << 64
    assert [entropy.below(1) for _ in range(3)] == [0, 0, 0]
    assert len(entropy.octets(5)) == 5 and len(entropy.octets(100)) == 100


async def inverted_by(work):
    """Return the last number that `work` inverts modulo p each time: what its Euclid shows."""
    seen, inverse, p = [], ec.inverse, ec.P256.p

    def watched(a, m):
        if m == p:
            seen.append(a % p)
        return inverse(a, m)

    ec.inverse, found = watched, []
    try:
        for _ in range(12):
            await work()
            found.append(seen[-1])
    finally:
        ec.inverse = inverse
    return found


async def test_the_inverted_coordinate_tells_nothing_of_the_scalar():
    # Naccache, Smart and Stern 2004: z of a sum gives away its last additions. Were it only the
    # z of the start that is random, it would enter in a power that 6 divides, and z would be of
    # one class modulo the sixth powers, the scalar's; Euclid's steps tell z to who can see them.
    k, p = 1 + entropy.below(N - 1), ec.P256.p
    works = [lambda: p256_portable.multiply_base(k), lambda: ecdh.multiply(k, ec.P256.g)]
    if await p256._fast():
        works.append(lambda: p256._viper.multiply_base(k))
    for work in works:
        found = await inverted_by(work)
        last = pow(found[0], p - 2, p)
        classes = [pow(z * last % p, (p - 1) // 6, p) for z in found]
        assert any(one != 1 for one in classes), work  # by chance once in 6 ** 11
