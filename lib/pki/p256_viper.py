"""NIST P-256 with a field in viper: a small machine that adds and multiplies 13-bit limbs.

A field element is 20 limbs of 13 bits in Montgomery form (factor 2^260), in one register of an
array. A program is four octets a step (target, a, b, kind) and has no branches, so the sequence of
field operations in multiply_base() is the same for each scalar; table entries are chosen by
reading the whole table under masks, and coordinates are randomised. Whether a multiplication or
a load takes equal time for all values is the chip's affair.

pki.p256 chooses the engine, pki.p256_trial tries it, and pki.p256_sum verifies with it. Where a
sum meets an exceptional case, None is returned, and the portable engine has to serve.
"""

import asyncio
from array import array

import micropython
from micropython import const

from pki import ec, entropy

_LIMBS = const(20)
_COLUMNS = const(52)
_STRIDE = const(8)  # columns or doublings between two chances for other tasks: see pki.p256
_X = const(1)  # registers; 0 is scratch
_Y = const(2)
_Z = const(3)
_ZERO = const(10)
_ONE = const(11)  # plain 1, which leaves the Montgomery form

# As pki.p256_portable's comb: entry i is 2^208 * G plus or minus 2^(52 t) * G; x and y in
# Montgomery form, 32 octets each, the low one first. Octets, because frozen bytes have no
# alignment.
_COMB = (
    b"\xb0\xeb\x0d\x70\xb3\xe8\x0b\xda\xc1\x94\x84\x7a\x56\x13\xec\x85\x00\x31\xf6\x00\x67\x92"
    b"\x49\xf3\x7d\x2f\x9e\xd9\x28\xe7\x9d\xfd\x2a\xea\xe6\x1c\x9b\xdd\xc0\x7d\x3d\x05\xe3\x8c"
    b"\x5c\xff\x43\x09\x85\x35\x51\x47\x01\xeb\x86\x7f\x00\xff\xe5\x13\xc3\x4d\x82\xdf\xe8\x43"
    b"\xca\x05\x5f\xb7\xec\xf2\x5b\x82\x94\x51\x9e\xe1\x7a\x1e\xa5\x9c\x32\x9c\x61\xd3\xae\xee"
    b"\xd6\x50\x96\xb4\x35\x84\xb6\x6c\xe0\x0e\x84\xed\x7b\xea\x87\x9a\x54\xe5\x90\x41\xe8\x99"
    b"\xb4\x70\xa2\xc2\xf7\x52\xcf\xeb\xa7\x5f\x01\x59\x7f\x3c\x28\xcd\x28\xaa\x54\xef\x8a\x5f"
    b"\x25\xfa\x53\xa4\x85\x1c\x17\x49\x8c\xed\x0a\x0c\xce\xa9\xba\x79\x7b\x9c\xe8\x19\x7d\x25"
    b"\x52\x54\xf3\x58\xfe\x0f\xd2\xb7\xd2\x30\xb9\x19\x61\xb7\xb9\xbf\x10\xd5\x4d\xaa\x87\xb6"
    b"\xf7\x32\x4f\x49\x74\x38\x47\x3a\x01\x76\x87\xca\x0a\x9c\xac\x9e\x48\x3e\xa7\x34\x37\xf3"
    b"\x0c\x0e\xe5\x8a\x6d\xff\xa2\x04\xc4\xc2\x05\x9a\xf4\xd7\x4e\xf4\xfa\xa5\xeb\x03\xfb\xe3"
    b"\x50\xf4\x37\x90\x44\x48\x8e\x8d\x2f\xa8\xf8\x00\x7a\xb1\x6a\xd0\xad\x00\x69\xfd\xa1\x05"
    b"\x40\x95\xb6\x7e\x6e\x3b\x92\xd1\xb3\xba\xd4\x26\x52\x6d\x49\xee\xb0\x31\x0e\x0c\xc0\xce"
    b"\xb1\xa7\x51\x07\x4c\x6b\x56\xc0\x7f\xc8\x02\x57\x05\x5c\x51\xc7\xc3\x47\x03\xcc\x1d\x7c"
    b"\xf7\x2d\xf7\xc6\x09\x44\xe4\x5c\x99\x08\xc5\x65\x85\x6d\x1e\x1e\xcc\xca\xf4\x88\x65\xaf"
    b"\xa0\xd2\x85\x1e\xce\xa2\xa3\x99\x60\x9d\x28\x43\xe0\x95\xc6\x3f\x6c\xf1\xf0\x57\x47\xde"
    b"\x8c\xb8\x7a\x58\x43\x93\x65\x50\xeb\xf9\xa4\x5a\xa0\xcc\x60\xde\x16\x64\x67\x66\x84\x27"
    b"\xa2\x1c\x62\x39\x20\x65\x68\xe4\x5c\x84\x1e\x42\x01\x63\xbf\xb4\x26\xea\x59\x97\x49\x28"
    b"\x3a\x8f\xaf\xf1\xcb\x0b\x76\xad\xe6\xed\x1e\xb0\x2e\x15\x91\x4e\xad\x31\x1b\x6e\xc8\xd4"
    b"\x51\x27\x8f\x14\xc2\x70\xd7\xe5\x56\x23\x14\x76\xcd\x09\x54\xde\x0b\xec\x1a\xbe\xe7\xd7"
    b"\x5b\xdd\x49\xf7\x4d\xa0\x4e\xcb\x4a\x12\x12\x5d\xbf\x5c\xa5\x8a\x82\x70\x70\xdb\xa7\xd8"
    b"\x4c\x28\x7f\xb4\x18\x5d\x4e\x2d\xbf\xb7\xab\x33\x50\x7c\xc7\xa9\x92\x3c\xd6\xf1\x36\x77"
    b"\x97\x1a\xa6\x4e\xd5\xcc\x58\x02\x15\x27\xe1\x1b\x1f\x68\x62\x11\xd0\x68\x4e\xfa\x2c\xce"
    b"\x3d\x82\x5c\x14\xdf\x28\x7a\x2d\xc4\x15\x50\x50\x5b\xc5\xed\x5f\x6e\xc6\xaf\xa7\x48\x30"
    b"\xb0\xf3\x7e\x19\x1b\xf0\xcc\xc5\x18\xa7\x83\x7b\xb5\x27\xa9\xa9\x51\x2e\x10\x6f\x26\x51"
    b"\xd2\x9b\x0b\x5b\x65\x91\xd7\xea\xaa\xa8\x8f\x05\x40\x1a\xb0\x1a\x47\x51\xf6\x3a\x48\x96"
    b"\xf3\xa6\xbd\xfd\xf2\xb2\xb2\x8c\xe9\x3c\xeb\x66\xc5\x02\x43\x9c\x0c\x91\x61\x53\xb5\x91"
    b"\xcd\x4f\x22\xa6\x23\xd1\xcd\x57\x7f\xea\x83\x3b\xcc\x6e\xe4\x61\xec\xe4\xa7\xd9\x9b\xd5"
    b"\x44\x5f\xd6\x87\x5c\x0f\x0f\xea\x4e\xe9\x2e\x30\xa0\x36\x7c\xa5\xe0\xb3\xed\x2d\x14\xac"
    b"\x9c\x68\xc1\xa4\x50\xa3\x0c\xed\x0a\x1a\xe9\x73\xc2\xe5\xa0\xf4\x93\x1d\xac\xb7\x53\xaa"
    b"\x9d\xc1\xb4\x16\xbf\x68\x32\x5c\x91\x42\xf2\x0e\x97\xb7\x44\x19\x3d\xc1\x53\x38\x9a\x7c"
    b"\x48\x60\xf8\xbe\xd2\x62\x07\x64\x0c\x2e\x51\x1a\x84\x85\xbf\x51\x16\xac\x6b\xcd\x4f\x48"
    b"\xed\x0c\x20\xf3\x30\x76\x71\x7b\x72\x85\x39\x77\xca\x80\xc8\x2c\xe1\xce\x87\xd7\x73\x8a"
    b"\xa3\x20\x05\x43\x34\x94\x8a\xeb\x6c\x39\x50\xcc\xa4\x05\x72\x5e\x2a\xb8\x92\xf1\xd4\x4d"
    b"\x15\x30\x59\xda\xb7\x14\xe0\x1d\xeb\x25\xa3\xdc\x65\x8c\x4f\x27\xd4\xe9\xbf\xcd\x21\x9f"
    b"\x6c\x22\x37\xbe\x7b\x91\x41\x63\x56\x68\xd0\xaa\x0e\x91\xef\xf8\x8b\xf8\x8a\x40\x45\xb8"
    b"\x8f\x17\x92\x51\xe3\xce\x3f\xeb\xdf\x4d\xbe\xc3\x69\x97\x5b\xb3\x8b\x19\xa2\xd9\x86\xb4"
    b"\x89\x09\x4f\xcd\xd3\xa5\xc5\x87\xd0\xe1\xc5\x66\xd8\x77\x35\xd0\x97\xcb\xff\xad\xd1\x63"
    b"\x1a\x62\xec\x8e\xdf\x3b\x6d\x65\xbb\xa0\x16\x86\xdd\x05\x72\xf5\x50\x5e\x5b\x70\x31\xca"
    b"\x79\x21\x25\x92\xf0\x14\x4f\x1b\xca\xcb\xea\xe6\x4b\xf7\x60\x61\x34\xd3\x6c\x50\x9b\x3d"
    b"\x3d\x8e\xa9\xd5\x78\xd7\x4a\x7f\xcf\xac\x8d\xe7\x58\x76\x91\x33\xad\x2f\x8d\xce\x8f\xdb"
    b"\xa5\x22\x63\x70\xdf\x37\xdf\xd9\x35\xb0\xec\x8a\x4b\x76\x47\x5d\x13\x6c\x2e\x62\x03\xfa"
    b"\xac\x91\xb4\x65\xe2\xd6\x4a\x9f\x21\xc3\xae\x13\x15\xec\x01\x00\x1a\x44\xe5\x9e\x96\xb3"
    b"\x73\x15\xb1\x2a\x30\xe5\x03\x0b\x49\x90\x33\x00\xf7\x54\x54\xea\xba\x1d\xe2\xd6\x79\x26"
    b"\xe6\xb0\xfb\xb8\x55\x8c\x09\xf3\xed\xb6\xf5\x53\xb0\x81\x0b\xcc\xaf\x7e\x02\xd5\x7d\xe4"
    b"\xbb\x6d\xe6\xc7\x13\x04\xf1\x3d\xd2\xdd\x4d\x8a\xf7\x7f\x97\x8c\xd6\x52\xd1\xd2\x84\x5d"
    b"\x56\x51\xe5\x4d\x4a\x8f\x57\x6d\x6a\x4f\xa2\x2c\x6b\xd8\x02\xb2\x15\xbc\xab\x3c\xb4\xd3"
    b"\xc1\x39\x4d\x06\x95\x83\x00\x22\x7a\x66\x48\x52"
)

# The kind of a step: 0 is target = a * b; any other is target = a + (kind - 64) * b.
_DOUBLE = (
    b"\x06\x03\x03\x00\x07\x01\x06\x3f\x08\x01\x06\x41\x07\x07\x08\x00\x07\x07\x07\x42"
    b"\x06\x02\x02\x00\x08\x01\x06\x00\x08\x08\x08\x43\x03\x02\x03\x00\x03\x03\x03\x41"
    b"\x01\x07\x07\x00\x01\x01\x08\x3e\x09\x08\x01\x3f\x06\x06\x06\x00\x02\x07\x09\x00"
    b"\x02\x02\x06\x38"
)
# Register 5 is plus or minus y of what is added (octets 2 and 3), x its register (octet 9).
_ADD = (
    b"\x05\x0a\x05\x41\x06\x03\x03\x00\x07\x04\x06\x00\x06\x03\x06\x00\x06\x05\x06\x00"
    b"\x07\x07\x01\x3f\x06\x06\x02\x3f\x03\x03\x07\x00\x08\x07\x07\x00\x09\x01\x08\x00"
    b"\x08\x08\x07\x00\x01\x06\x06\x00\x01\x01\x08\x3f\x01\x01\x09\x3e\x09\x09\x01\x3f"
    b"\x09\x09\x06\x00\x08\x08\x02\x00\x02\x09\x08\x3f"
)
# The first point, with the z that is in its register.
_START = b"\x05\x0a\x05\x41\x06\x03\x03\x00\x01\x04\x06\x00\x06\x06\x03\x00\x02\x05\x06\x00"
# Register 4 is 1 / z in Montgomery form: x and y become affine and leave that form.
_AFFINE = (
    b"\x06\x04\x04\x00\x01\x01\x06\x00\x06\x06\x04\x00\x02\x02\x06\x00"
    b"\x01\x01\x0b\x00\x02\x02\x0b\x00"
)


@micropython.viper
def run(x: int, t: ptr32, b: ptr32, program: ptr8):
    """Run x steps of a program on the registers t (given twice: b).

    The first two variables live in machine registers, so they have several roles.
    """
    base = int(t)
    at = int(program)
    end = at + 4 * x
    last = base + 80
    bias = 131056
    while at < end:
        step = ptr8(at)
        at += 4
        p = ptr32(base + 80 * step[1])
        b = ptr32(base + 80 * step[2])
        target = base + 80 * step[0]
        m = step[3]
        if m:
            # p + m * b - q * the prime, with the q that leaves less than 1.05 times the prime. The
            # bias, 16 * 8191 in each limb, keeps them from being negative: 16 * 2^260 in all.
            m -= 64
            q = (p[19] + m * b[19] - 9) >> 9
            row = int(p)
            t = ptr32(base)
            while int(t) < last:
                p = ptr32(row)
                t[0] = m * b[0] + p[0] + bias
                t[1] = m * b[1] + p[1] + bias
                t[2] = m * b[2] + p[2] + bias
                t[3] = m * b[3] + p[3] + bias
                t[4] = m * b[4] + p[4] + bias
                t = ptr32(int(t) + 20)
                b = ptr32(int(b) + 20)
                row += 20
            t = ptr32(base)
            t[0] = t[0] + q + 16
            t[7] = t[7] - (q << 5)
            t[14] = t[14] - (q << 10)
            t[17] = t[17] + (q << 3)
            t[19] = t[19] - (q << 9) - 131072
        else:
            # A row is one limb of p; the prime is -1 modulo 2^13, so the low limb itself is the
            # multiple of it that makes the low limb zero. What is below 0 in the prime takes from
            # 65528 = 8 * 8191 that is in each limb from the 17th on: 8 * 2^507 in all.
            t = ptr32(base)
            row = int(p)
            end_row = row + 80
            t[0] = 0
            t[1] = 0
            t[2] = 0
            t[3] = 0
            t[4] = 0
            t[5] = 0
            t[6] = 0
            t[7] = 0
            t[8] = 0
            t[9] = 0
            t[10] = 0
            t[11] = 0
            t[12] = 0
            t[13] = 0
            t[14] = 0
            t[15] = 0
            t[16] = 0
            t[17] = 65536
            t[18] = 65528
            while row < end_row:
                x = ptr32(row)[0]
                row += 4
                u = x * b[0] + t[0]
                t[0] = x * b[1] + t[1] + (u >> 13)
                u &= 8191
                t[1] = x * b[2] + t[2]
                t[2] = x * b[3] + t[3]
                t[3] = x * b[4] + t[4]
                t[4] = x * b[5] + t[5]
                t[5] = x * b[6] + t[6]
                t[6] = x * b[7] + t[7] + (u << 5)
                t[7] = x * b[8] + t[8]
                t[8] = x * b[9] + t[9]
                t[9] = x * b[10] + t[10]
                t[10] = x * b[11] + t[11]
                t[11] = x * b[12] + t[12]
                t[12] = x * b[13] + t[13]
                t[13] = x * b[14] + t[14] + (u << 10)
                t[14] = x * b[15] + t[15]
                t[15] = x * b[16] + t[16]
                t[16] = x * b[17] + t[17] - (u << 3)
                t[17] = x * b[18] + t[18]
                t[18] = x * b[19] + (u << 9) + 65528
            t[19] = -8
        x = 0
        while int(t) < last:
            x = (x >> 13) + t[0]
            b = ptr32(target)
            b[0] = x & 8191
            x = (x >> 13) + t[1]
            b[1] = x & 8191
            x = (x >> 13) + t[2]
            b[2] = x & 8191
            x = (x >> 13) + t[3]
            b[3] = x & 8191
            x = (x >> 13) + t[4]
            b[4] = x & 8191
            t = ptr32(int(t) + 20)
            target += 20
        b[4] = x


@micropython.viper
def pick(x: int, t: ptr32, table: ptr8, bits: ptr8) -> int:
    """Put the comb's point for column x into the registers (t) 4 and 5; return its sign, 1 or -1.

    The registers from 6 on are overwritten.
    """
    index = 0
    tooth = 1
    while tooth < 32:
        index |= (ptr8(int(bits) + (x >> 3))[0] >> (x & 7) & 1) * tooth
        x += 52
        tooth += tooth
    plus = index >> 4
    # A column whose top digit is -1 is the negative of the one with all digits turned.
    index = (index ^ (plus - 1)) & 15
    into = int(t) + 320
    found = int(t) + 480
    end = found + 64
    at = found
    while at <= end:
        ptr32(at)[0] = 0
        at += 4
    # All entries in whole words, the wanted one under a mask; the table may begin within a word.
    entry = int(table) & -4
    i = 0
    while i < 16:
        x = ((i ^ index) - 1) >> 31
        t = ptr32(found)
        at = entry
        while int(t) < end:
            word = ptr32(at)
            t[0] = x & word[0] | t[0]
            t[1] = x & word[1] | t[1]
            t[2] = x & word[2] | t[2]
            t[3] = x & word[3] | t[3]
            t = ptr32(int(t) + 16)
            at += 16
        t[0] = x & ptr32(at)[0] | t[0]
        entry += 64
        i += 1
    found += int(table) & 3
    end = into + 160
    while into < end:
        x = 0
        while x < 260:
            octets = ptr8(found + (x >> 3))
            ptr32(into)[0] = (octets[0] | octets[1] << 8 | octets[2] << 16) >> (x & 7) & 8191
            into += 4
            x += 13
        t = ptr32(into - 4)
        t[0] = t[0] & 511  # the rest is of the next number
        found += 32
    return plus + plus - 1


@micropython.viper
def _unpack(into: ptr32, octets: ptr8):
    """Put 34 octets, the low one first, into a register."""
    at = int(into)
    bit = 0
    while bit < 260:
        three = ptr8(int(octets) + (bit >> 3))
        ptr32(at)[0] = (three[0] | three[1] << 8 | three[2] << 16) >> (bit & 7) & 8191
        at += 4
        bit += 13


async def multiply_base(k):
    """Return the affine (x, y) of k * G for 0 < k < n, or None: see above."""
    registers = make_registers(12)
    load(registers, _Z, int.from_bytes(entropy.octets(32), "big") | 1)
    bits = digits(k)
    await comb(registers, bits, _COLUMNS)
    return affine(registers)


async def comb(registers, bits, columns):
    """Add up the comb's lowest columns, with the z that is in its register."""
    start = bytearray(_START)
    start[3] = 64 + pick(columns - 1, registers, _COMB, bits)
    run(5, registers, registers, start)
    program = bytearray(_DOUBLE + _ADD)
    for column in range(columns - 2, -1, -1):
        program[67] = 64 + pick(column, registers, _COMB, bits)
        run(34, registers, registers, program)
        if not column % _STRIDE:
            await asyncio.sleep(0)


def programs():
    """Return the programs that p256_verify runs, and the comb's table."""
    return _START, _DOUBLE, _ADD, _COMB


def digits(k):
    """Return the comb's signed digits of a scalar (33 octets): 1 where a bit is set, else -1."""
    odd = k + ec.P256.n * (1 - (k & 1))
    return ((odd + (1 << 260) - 1) >> 1).to_bytes(33, "little")


def make_registers(count):
    """Return that many registers, with the constants in theirs."""
    registers = array("I", bytes(80 * count))
    registers[_LIMBS * _ONE] = 1
    return registers


def load(registers, number, value):
    """Put an int into a register."""
    _unpack(memoryview(registers)[_LIMBS * number :], value.to_bytes(35, "little"))


def value(registers, number):
    """Return the int in a register, reduced."""
    value = 0
    for i in range(_LIMBS * (number + 1) - 2, _LIMBS * number - 1, -2):
        value = value << 26 | (registers[i + 1] << 13 | registers[i])
    return value % ec.P256.p


def affine(registers):
    """Return the affine (x, y) of the sum, or None for infinity."""
    p = ec.P256.p
    # Euclid's time would tell of z, and z of the last additions (Naccache, Smart, Stern 2004).
    blind = entropy.below(p - 1) + 1
    # z has the factor 2^260, its inverse 2^-260.
    inverse = ec.inverse(value(registers, _Z) * blind % p, p) * blind % p
    load(registers, 4, (inverse << 520) % p)
    run(6, registers, registers, _AFFINE)
    x, y = value(registers, _X), value(registers, _Y)
    if (y * y - (x * x - 3) * x - ec.P256.b) % p:
        return None  # infinity, or a fault
    return x, y
