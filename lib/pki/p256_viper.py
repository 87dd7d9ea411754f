"""NIST P-256 with a field in viper: a small machine that adds and multiplies 13-bit limbs.

A field element is 20 limbs of 13 bits in Montgomery form (factor 2^260), in one register of an
array. A program is four octets a step (target, a, b, kind) and has no branches, so the sequence of
field operations in multiply_base() is the same for each scalar; table entries are chosen by
reading the whole table under masks, and coordinates are randomised. Whether a multiplication or
a load takes equal time for all values is the chip's affair. verify_sum() is for public values.

pki.p256 chooses the engine. Where a sum meets an exceptional case, None is returned, and the
portable engine has to serve.
"""

import asyncio
from array import array

import micropython
from micropython import const

from pki import ec, entropy

_LIMBS = const(20)
_COLUMNS = const(52)
_STRIDE = const(12)  # columns or doublings between two chances for other tasks: see pki.p256
_X = const(1)  # registers; 0 is scratch
_Y = const(2)
_Z = const(3)
_ZERO = const(10)
_ONE = const(11)  # plain 1, which leaves the Montgomery form
_MULTIPLES = const(12)  # x and y of 1, 3, 5 and 7 times the point of verify_sum()

# As pki.p256_portable's comb: entry i is 2^208 * G plus or minus 2^(52 t) * G; 20 limbs of x and
# of y in Montgomery form, two octets each, the low one first. Octets, because frozen bytes have no
# alignment.
_COMB = (
    b"\xb0\x0b\x6f\x00\xdc\x0c\xd1\x17\xa0\x1d\x60\x0a\x12\x0a\xcf\x0a\x13\x0c\x2f\x04\x40\x0c"
    b"\xec\x01\x70\x06\xc9\x04\xcd\x17\xef\x05\x9e\x19\x46\x19\x79\x07\xfb\x01\x2a\x0a\x37\x07"
    b"\xc7\x06\xbb\x01\xdc\x17\x9e\x02\x8c\x13\x91\x0b\xff\x03\x4a\x08\x61\x0d\xa2\x0e\x14\x10"
    b"\x75\x03\xfe\x01\xe0\x1f\xe5\x13\x18\x0e\x93\x00\xbf\x01\xe8\x03\x52\x0e\xc1\x17\x6e\x19"
    b"\x2e\x1f\x2d\x01\x52\x06\xca\x13\xe1\x1a\xf3\x08\x29\x07\x65\x18\x19\x16\x69\x17\xba\x1b"
    b"\x1a\x0a\x96\x14\xad\x01\xa1\x0d\xd9\x00\xe0\x0e\x20\x0c\xfb\x1e\xd4\x0f\xa8\x09\xaa\x12"
    b"\x43\x06\x08\x1d\x99\x14\x85\x13\xa8\x10\xef\x05\xf5\x1c\xf5\x13\x7e\x05\x20\x0b\x7f\x1c"
    b"\x41\x09\x33\x0a\x54\x01\x54\x0f\x57\x1c\x57\x09\xf4\x07\x45\x1a\x42\x0e\x5c\x04\x89\x11"
    b"\xed\x0a\x60\x10\x73\x0a\x75\x13\xb7\x07\x4e\x14\x67\x14\xaf\x04\x52\x14\x9a\x07\x96\x1f"
    b"\x1f\x00\xd2\x17\x95\x06\x4c\x0e\x33\x02\x76\x1b\xdc\x1f\x42\x14\xba\x09\xaa\x07\xb4\x1d"
    b"\xbd\x0c\x9e\x12\x44\x07\x9c\x03\xe9\x04\xc0\x0e\x87\x0a\x56\x00\x27\x0b\x3d\x01\x48\x1e"
    b"\x39\x05\xcd\x0d\xe6\x19\xe0\x10\x72\x05\xb6\x1d\x5f\x14\x04\x04\x16\x0e\x81\x06\xe9\x0f"
    b"\xed\x04\x7a\x1d\x97\x0e\x7d\x00\xfb\x03\x87\x02\xfd\x0d\x20\x01\x44\x08\x72\x0c\xe3\x0b"
    b"\x50\x11\x0f\x00\xbd\x18\xaa\x01\xba\x15\x00\x09\xeb\x0f\x68\x01\x80\x0a\x69\x0b\x3f\x17"
    b"\xed\x08\x32\x1a\xb3\x1a\xa5\x16\x89\x14\xda\x00\x49\x0e\x87\x0d\x8c\x03\x18\x00\xec\x1c"
    b"\xd8\x13\x46\x1d\x80\x09\x6b\x16\x02\x1e\x1f\x12\x05\x0e\x55\x00\xae\x08\x1d\x0f\xf8\x08"
    b"\x03\x0c\xee\x00\xdf\x1d\x5b\x00\xf7\x06\x4e\x00\x11\x19\xb9\x12\x89\x10\xe2\x12\x15\x16"
    b"\xcd\x03\x1e\x0c\x56\x06\x3d\x02\xcb\x1e\x0a\x0a\xe9\x02\x7a\x18\x59\x14\xa3\x19\x04\x0b"
    b"\x27\x0a\x86\x00\xe0\x15\x34\x1e\x0f\x1b\xe2\x01\x7f\x15\x23\x0f\x33\x02\x57\x0f\x58\x03"
    b"\x9a\x0c\x19\x14\xd6\x13\x4f\x0a\x2d\x10\x32\x03\xcc\x1b\x16\x04\x3b\x13\x19\x01\x4f\x00"
    b"\xa2\x1c\x10\x0b\x0e\x08\xca\x10\x46\x0e\x2e\x02\x7a\x08\x28\x00\x63\x1f\xa5\x15\x89\x1a"
    b"\xb3\x0e\x99\x04\x14\x1d\x3c\x1e\x35\x1e\xcb\x0b\xb0\x0b\xab\x19\xdb\x01\x1e\x10\x75\x09"
    b"\x45\x04\x9d\x1a\x1a\x13\x0d\x17\x21\x13\x3a\x0a\x27\x0f\xa4\x10\x30\x1c\xae\x0b\x6e\x15"
    b"\x11\x0a\xd8\x15\x39\x01\x54\x1e\x5e\x00\xbb\x06\x7c\x01\xe7\x17\xde\x0a\x77\x12\xee\x1b"
    b"\x04\x0a\xa7\x05\x2b\x09\x42\x02\x5d\x1f\xe5\x0a\xa9\x02\x05\x01\x07\x17\xed\x13\x62\x13"
    b"\x09\x05\x7f\x14\xc5\x08\x97\x13\x5a\x00\xbf\x17\x5d\x1d\x0c\x14\xf8\x0e\x9c\x0a\x49\x1e"
    b"\x58\x07\xde\x06\x77\x17\xd4\x10\xa9\x13\xaa\x19\x8c\x05\x81\x0a\x9c\x04\x7c\x03\x1f\x08"
    b"\x13\x0b\x04\x14\xd1\x00\x4e\x1a\x67\x11\x73\x0f\x04\x19\x45\x11\x6f\x14\xe8\x15\x85\x18"
    b"\x15\x10\x82\x1a\x56\x11\xdb\x1f\xe5\x06\xe3\x17\x9e\x02\x09\x06\xb0\x13\xf7\x0b\xc6\x06"
    b"\xe0\x01\xcc\x05\xc6\x18\xe9\x00\xf7\x0a\x7b\x12\xd4\x14\x46\x19\x05\x02\x6f\x06\x89\x12"
    b"\xf4\x06\x17\x16\x55\x16\xc8\x0b\xab\x0b\x15\x15\x8f\x05\x00\x12\x06\x0c\x35\x00\x47\x11"
    b"\xb2\x17\x0e\x12\x2c\x07\x6f\x1a\xde\x1e\xcb\x0b\x56\x16\x8c\x09\xe7\x19\xba\x19\x8a\x05"
    b"\x30\x04\x4e\x06\x44\x06\x6c\x0a\xb5\x11\x6c\x1e\x93\x08\x4c\x01\x23\x11\x6e\x1e\xd5\x1f"
    b"\xd4\x07\xb8\x03\x66\x17\x91\x07\x8c\x1d\xe4\x07\xcd\x1e\x66\x15\x89\x1e\x65\x1d\x43\x0e"
    b"\x3d\x1c\x41\x1d\x4e\x09\x77\x01\x0c\x08\x6d\x00\x7c\x05\x05\x1f\x6c\x1b\x5b\x08\xc1\x0a"
    b"\x4e\x14\x05\x13\x14\x0a\xa3\x0c\x68\x17\x82\x06\xd2\x07\x27\x1c\x72\x10\xd2\x0f\xb2\x03"
    b"\xac\x17\x9d\x12\x6a\x07\x83\x01\xb4\x16\xf8\x05\x9a\x0c\xb8\x02\x29\x04\x79\x07\x5c\x1e"
    b"\x96\x08\x19\x1d\x09\x1e\x14\x0e\x34\x19\x87\x04\x30\x1c\xfb\x0a\x5a\x0c\x07\x04\x63\x10"
    b"\x4b\x14\x34\x00\x84\x05\xfc\x0d\x94\x05\x58\x17\xd6\x1c\x27\x04\xb5\x13\x01\x04\xf3\x10"
    b"\xb1\x0b\xdc\x1e\xe4\x0a\x98\x13\x3b\x05\x03\x02\x99\x05\xe1\x0e\x3e\x1c\xf5\x1c\x14\x01"
    b"\xa3\x00\x29\x18\x10\x0d\x28\x15\xb8\x0e\xb6\x1c\x40\x11\x99\x14\x05\x12\xf3\x12\x0a\x0e"
    b"\x25\x03\x4f\x1d\xa6\x0a\xc0\x04\x4b\x1b\xb7\x14\x00\x0f\xc7\x1a\x4b\x00\xa3\x1c\x2e\x03"
    b"\xe3\x13\x4e\x08\x9d\x1e\xdf\x06\x87\x1c\x93\x0d\x22\x17\xf1\x1d\x5e\x04\x83\x06\x66\x05"
    b"\x34\x08\xab\x1a\x21\x12\xef\x18\x5f\x04\xbe\x02\x81\x00\x45\x18\x7d\x1c\x85\x04\xa3\x06"
    b"\xee\x1c\x9f\x15\x7f\x17\xc9\x17\xc3\x09\xbb\x1c\xd6\x0c\x17\x13\x21\x1a\x6c\x03\xd2\x06"
    b"\x31\x01\x4f\x0d\x9e\x0e\x69\x11\x0f\x01\xd0\x01\x2f\x16\x19\x16\xef\x0a\x03\x1d\xcb\x05"
    b"\xff\x17\x35\x1a\x63\x1a\x10\x03\xbb\x03\xbf\x17\xd3\x16\xb2\x1d\x82\x1a\xc2\x10\xdd\x05"
    b"\x90\x0b\x3d\x14\xbc\x00\x5b\x10\x8b\x11\x72\x1e\x42\x0a\x22\x09\x78\x0a\x3c\x0d\x43\x19"
    b"\xcb\x0a\x37\x1f\xd2\x1d\xc1\x02\x46\x13\x69\x16\x41\x0d\xb3\x07\x3d\x0e\x4c\x0d\x35\x1e"
    b"\xae\x01\x4a\x1f\x7b\x06\x6b\x03\xcf\x11\x65\x17\xc8\x19\xb4\x1e\xa5\x11\xce\x0f\xdc\x0e"
    b"\xa9\x08\xc6\x00\xf7\x1d\x9b\x0f\x67\x17\x06\x16\xec\x0a\x5c\x12\xdd\x11\xba\x00\x13\x0c"
    b"\x73\x11\xd8\x00\xf4\x19\x1a\x09\xda\x12\x89\x1b\x5a\x09\x9f\x01\x19\x16\xeb\x04\x2a\x18"
    b"\x1e\x00\x00\x0d\x10\x15\xdc\x13\x96\x13\x9d\x0b\x45\x0c\x55\x00\x30\x05\x1f\x18\x42\x12"
    b"\x20\x07\x03\x10\x7b\x0a\x51\x09\x5d\x17\x1d\x02\xb7\x0e\x9e\x09\xcc\x01\xbb\x0f\xdc\x0a"
    b"\x31\x06\x61\x1e\xed\x16\xad\x1f\x14\x0c\x03\x01\x0b\x0c\x7e\x15\x9f\x00\xaa\x1b\x47\x1e"
    b"\xdd\x16\x99\x1f\x78\x02\x04\x11\xef\x11\x74\x17\x9b\x14\x78\x1f\xbf\x0b\x32\x1a\x5a\x0a"
    b"\xd1\x12\x26\x0c\x97\x15\xa2\x00\xe5\x0d\x52\x1a\xe3\x15\xda\x14\xf6\x04\x51\x16\xac\x01"
    b"\x5b\x00\xb2\x15\xe0\x1d\x2a\x0f\x68\x07\x1d\x1c\x9c\x06\x19\x14\x72\x10\x00\x02\xd1\x13"
    b"\x19\x12\xa4\x00"
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
_KNOWN = 0xB86FB995BE0C3C7CAC2FC4D1E02350D45E2A3934E197F7C6051A74478DAF93A1


@micropython.viper
def _run(x: int, t: ptr32, b: ptr32, program: ptr8):
    """Run x steps of a program on the registers t (given twice: b).

    The first two variables live in machine registers, so they have several roles.
    """
    base = int(t)
    at = int(program)
    end = at + 4 * x
    while at < end:
        step = ptr8(at)
        at += 4
        p = ptr32(base + 80 * step[1])
        b = ptr32(base + 80 * step[2])
        target = base + 80 * step[0]
        m = step[3]
        if m:
            # p + m * b - q * the prime, with the q that leaves less than 1.05 times the prime.
            m -= 64
            t = ptr32(target)
            top = p[19] + m * b[19]
            q = (top - 9) >> 9
            x = p[0] + m * b[0] + q
            t[0] = x & 8191
            x = (x >> 13) + p[1] + m * b[1]
            t[1] = x & 8191
            x = (x >> 13) + p[2] + m * b[2]
            t[2] = x & 8191
            x = (x >> 13) + p[3] + m * b[3]
            t[3] = x & 8191
            x = (x >> 13) + p[4] + m * b[4]
            t[4] = x & 8191
            x = (x >> 13) + p[5] + m * b[5]
            t[5] = x & 8191
            x = (x >> 13) + p[6] + m * b[6]
            t[6] = x & 8191
            x = (x >> 13) + p[7] + m * b[7] - (q << 5)
            t[7] = x & 8191
            x = (x >> 13) + p[8] + m * b[8]
            t[8] = x & 8191
            x = (x >> 13) + p[9] + m * b[9]
            t[9] = x & 8191
            x = (x >> 13) + p[10] + m * b[10]
            t[10] = x & 8191
            x = (x >> 13) + p[11] + m * b[11]
            t[11] = x & 8191
            x = (x >> 13) + p[12] + m * b[12]
            t[12] = x & 8191
            x = (x >> 13) + p[13] + m * b[13]
            t[13] = x & 8191
            x = (x >> 13) + p[14] + m * b[14] - (q << 10)
            t[14] = x & 8191
            x = (x >> 13) + p[15] + m * b[15]
            t[15] = x & 8191
            x = (x >> 13) + p[16] + m * b[16]
            t[16] = x & 8191
            x = (x >> 13) + p[17] + m * b[17] + (q << 3)
            t[17] = x & 8191
            x = (x >> 13) + p[18] + m * b[18]
            t[18] = x & 8191
            t[19] = (x >> 13) + top - (q << 9)
        else:
            # A row is one limb of p; the prime is -1 modulo 2^13, so the low limb itself is the
            # multiple of it that makes the low limb zero. What is below 0 in the prime takes from
            # 65528 = 8 * 8191 that is in each limb from the 17th on: 8 * 2^507 in all.
            t = ptr32(base)
            row = int(p)
            last = row + 80
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
            while row < last:
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
            x = 0
            last = base + 76
            while int(t) < last:
                x = (x >> 13) + t[0]
                ptr32(target)[0] = x & 8191
                t = ptr32(int(t) + 4)
                target += 4
            ptr32(target)[0] = (x >> 13) - 8


@micropython.viper
def _pick(x: int, t: ptr32, table: ptr8, bits: ptr8) -> int:
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
    end = found + 84
    at = found
    while at < end:
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
            t[4] = x & word[4] | t[4]
            t[5] = x & word[5] | t[5]
            t[6] = x & word[6] | t[6]
            t = ptr32(int(t) + 28)
            at += 28
        entry += 80
        i += 1
    found += int(table) & 3
    end = into + 160
    while into < end:
        octets = ptr8(found)
        ptr32(into)[0] = octets[0] | octets[1] << 8
        into += 4
        found += 2
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
    registers = _registers(12)
    _load(registers, _Z, int.from_bytes(entropy.octets(32), "big") | 1)
    bits = _digits(k)
    await _comb(registers, bits, _COLUMNS)
    return _affine(registers)


async def _comb(registers, bits, columns):
    """Add up the comb's lowest columns, with the z that is in its register."""
    start = bytearray(_START)
    start[3] = 64 + _pick(columns - 1, registers, _COMB, bits)
    _run(5, registers, registers, start)
    program = bytearray(_DOUBLE + _ADD)
    for column in range(columns - 2, -1, -1):
        program[67] = 64 + _pick(column, registers, _COMB, bits)
        _run(34, registers, registers, program)
        if not column % _STRIDE:
            await asyncio.sleep(0)


async def verify_sum(u, v, point, r):
    """Return whether x of u * G + v * point is r modulo n; None: see above. point is affine."""
    p = ec.P256.p
    registers = _registers(20)
    for i, (x, y) in enumerate(ec.affine(p, ec.odd_multiples(p, point))):
        _load(registers, _MULTIPLES + 2 * i, (x << 260) % p)
        _load(registers, _MULTIPLES + 2 * i + 1, (y << 260) % p)
    _load(registers, _Z, (1 << 260) % p)
    bits = _digits(u)
    digits = ec.wnaf(v)
    program = bytearray(_START)
    steps = 5
    for i in range(max(len(digits), _COLUMNS) - 1, -1, -1):
        if steps != 5:
            _run(16, registers, registers, _DOUBLE)
        digit = digits[i] - 16 if i < len(digits) else 0
        if digit:
            at = _MULTIPLES + (abs(digit) & 6)
            program[2] = at + 1
            program[3] = 65 if digit > 0 else 63
            program[9] = at
            _run(steps, registers, registers, program)
            if steps == 5:
                steps, program = 18, bytearray(_ADD)
        if i < _COLUMNS:
            program[2] = 5
            program[3] = 64 + _pick(i, registers, _COMB, bits)
            program[9] = 4
            _run(steps, registers, registers, program)
            if steps == 5:
                steps, program = 18, bytearray(_ADD)
        if not i % _STRIDE:
            await asyncio.sleep(0)
    x, z = _value(registers, _X), _value(registers, _Z)
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


async def works():
    """Return whether this interpreter runs the code above rightly: a test with known answers."""
    p = ec.P256.p
    registers = _registers(12)
    # The largest limbs there are, and numbers without a pattern.
    for a, b in ((p - 1, p - 2), ((p // 7) * 5, p // 3), ((1 << 256) - 1, (1 << 256) - 1)):
        _load(registers, _X, a)
        _load(registers, _Y, b)
        _run(2, registers, registers, b"\x01\x01\x02\x00\x02\x01\x02\x38")
        found = _value(registers, _X)
        if (found << 260) % p != a * b % p or _value(registers, _Y) != (found - 8 * b) % p:
            return False
    # Four columns of the comb: 2 (2 (2 E + F) - E) + F for two entries of the table.
    _load(registers, _Z, 12345)
    bits = bytearray(33)
    for i in (3, 2, 0, 211, 210, 208, 55, 54, 52):
        bits[i >> 3] |= 1 << (i & 7)
    await _comb(registers, bits, 4)
    found = _affine(registers)
    return found is not None and (found[0] ^ found[1]) == _KNOWN


def _digits(k):
    """Return the comb's signed digits of a scalar (33 octets): 1 where a bit is set, else -1."""
    odd = k + ec.P256.n * (1 - (k & 1))
    return ((odd + (1 << 260) - 1) >> 1).to_bytes(33, "little")


def _registers(count):
    """Return that many registers, with the constants in theirs."""
    registers = array("I", bytes(80 * count))
    registers[_LIMBS * _ONE] = 1
    return registers


def _load(registers, number, value):
    """Put an int into a register."""
    _unpack(memoryview(registers)[_LIMBS * number :], value.to_bytes(35, "little"))


def _value(registers, number):
    """Return the int in a register, reduced."""
    value = 0
    for i in range(_LIMBS * (number + 1) - 2, _LIMBS * number - 1, -2):
        value = value << 26 | (registers[i + 1] << 13 | registers[i])
    return value % ec.P256.p


def _affine(registers):
    """Return the affine (x, y) of the sum, or None for infinity."""
    p = ec.P256.p
    # Euclid's time would tell of z, and z of the last additions (Naccache, Smart, Stern 2004).
    blind = entropy.below(p - 1) + 1
    # z has the factor 2^260, its inverse 2^-260.
    inverse = ec.inverse(_value(registers, _Z) * blind % p, p) * blind % p
    _load(registers, 4, (inverse << 520) % p)
    _run(6, registers, registers, _AFFINE)
    x, y = _value(registers, _X), _value(registers, _Y)
    if (y * y - (x * x - 3) * x - ec.P256.b) % p:
        return None  # infinity, or a fault
    return x, y
