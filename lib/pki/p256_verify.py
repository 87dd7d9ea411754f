"""NIST P-256: the verification of signatures, for pki.p256.

It is for public values: its time depends on them.
"""

import asyncio

from micropython import const

from pki import ec, jacobian

_COLUMNS = const(52)  # as pki.p256_viper has these
_X = const(1)
_Z = const(3)
_MULTIPLES = const(12)  # the registers of x and y of 1, 3, 5 and 7 times the point
_STRIDE = const(7)  # doublings between two chances for other tasks, while the comb is added
_STRIDE_BEFORE = const(10)


async def verify(engine, point, digest, r, s):
    """Return whether (r, s) is the signature of a digest: see pki.p256.verify().

    engine: pki.p256_viper, or None for big integers.
    """
    if engine:
        n = ec.P256.n
        w = ec.inverse(s, n)
        await asyncio.sleep(0)
        z = int.from_bytes(digest[:32], "big")
        right = await verify_sum(engine, z * w % n, r * w % n, point, r)
        if right is not None:
            return right
    multiples = None
    try:
        multiples = ec.alone("p256_multiples").octets()
    except MemoryError:
        pass  # it is a large piece; without it all takes longer
    await asyncio.sleep(0)
    return await jacobian.verify(ec.P256, point, digest, r, s, multiples)


async def verify_sum(engine, u, v, point, r):
    """Return whether x of u * G + v * point is r modulo n, or None for an exceptional case.

    engine: pki.p256_viper; point: affine.
    """
    p = ec.P256.p
    registers = engine.make_registers(20)
    for i, (x, y) in enumerate(await jacobian.odd_multiples(p, point)):
        engine.load(registers, _MULTIPLES + 2 * i, (x << 260) % p)
        engine.load(registers, _MULTIPLES + 2 * i + 1, (y << 260) % p)
    engine.load(registers, _Z, (1 << 260) % p)
    bits = engine.digits(u)
    start, double, add, comb = engine.programs()
    digits = jacobian.wnaf(v, 32, 4)
    program = bytearray(start)
    steps = 5
    for i in range(len(digits) - 1, -1, -1):
        if steps != 5:
            engine.run(16, registers, registers, double)
        digit = digits[i] - 32
        if digit:
            at = _MULTIPLES + (abs(digit) & 6)
            program[2] = at + 1
            program[3] = 65 if digit > 0 else 63
            program[9] = at
            engine.run(steps, registers, registers, program)
            if steps == 5:
                steps, program = 18, bytearray(add)
        if i < _COLUMNS:
            program[2] = 5
            program[3] = 64 + engine.pick(i, registers, comb, bits)
            program[9] = 4
            engine.run(steps, registers, registers, program)
            if steps == 5:
                steps, program = 18, bytearray(add)
        if not i % (_STRIDE if i < _COLUMNS else _STRIDE_BEFORE):
            await asyncio.sleep(0)
    x, z = engine.value(registers, _X), engine.value(registers, _Z)
    if not z:
        return None
    # x = X / Z^2 without an inversion; both carry the factor 2^260.
    zz = z * z % p
    x = (x << 260) % p
    while r < p:
        if (r * zz - x) % p == 0:
            return True
        r += ec.P256.n
    return False
