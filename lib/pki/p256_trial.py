"""NIST P-256: the known answers that pki.p256_viper has to give before it serves."""

from micropython import const

from pki import ec

_X = const(1)  # registers, as pki.p256_viper has them
_Y = const(2)
_Z = const(3)
_KNOWN = 0xB86FB995BE0C3C7CAC2FC4D1E02350D45E2A3934E197F7C6051A74478DAF93A1


async def works(engine):
    """Return whether this interpreter runs the code above rightly: a test with known answers."""
    p = ec.P256.p
    registers = engine.make_registers(12)
    # The largest limbs there are, and numbers without a pattern.
    # (A literal of as many digits would stand in the .mpy file in decimal.)
    full = int.from_bytes(b"\xff" * 32, "big")
    for a, b in ((p - 1, p - 2), ((p // 7) * 5, p // 3), (full, full)):
        engine.load(registers, _X, a)
        engine.load(registers, _Y, b)
        engine.run(2, registers, registers, b"\x01\x01\x02\x00\x02\x01\x02\x38")
        found = engine.value(registers, _X)
        if (found << 260) % p != a * b % p or engine.value(registers, _Y) != (found - 8 * b) % p:
            return False
    # Four columns of the comb: 2 (2 (2 E + F) - E) + F for two entries of the table.
    engine.load(registers, _Z, 12345)
    bits = 13
    bits = (bits | bits << 52 | bits << 208).to_bytes(33, "little")
    await engine.comb(registers, bits, 4)
    found = await engine.affine(registers)
    return found is not None and (found[0] ^ found[1]) == _KNOWN
