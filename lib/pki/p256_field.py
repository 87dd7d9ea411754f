"""The machine code of pki.p256_viper: its steps, masked reading of a table, limbs of octets.

A module of its own, which nobody forgets: ESP32 keeps machine code that was loaded from a file
until a reset, outside of the heap, and so does the unix port: to load it each time fills memory.
"""

import micropython


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
def unpack(into: ptr32, octets: ptr8):
    """Put 34 octets, the low one first, into a register."""
    at = int(into)
    bit = 0
    while bit < 260:
        three = ptr8(int(octets) + (bit >> 3))
        ptr32(at)[0] = (three[0] | three[1] << 8 | three[2] << 16) >> (bit & 7) & 8191
        at += 4
        bit += 13
