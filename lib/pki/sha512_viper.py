"""SHA-512's compression in viper, for 32-bit processors: words are two halves of 32 bits.

pki.sha512 chooses the engine. One array holds everything, so that nothing is allocated on the way:
the state (8 words, each with its high half first), 24 words of variables, 32 of the message
schedule, 16 constants. A sum that is less than what was added has a carry. Elements of pointers
have constant indices: others come out wrong in MicroPython 1.26 (its issue 18800).
"""

from array import array

import micropython
from micropython import const

_VARIABLES = const(64)  # octets from the start of the array
_SCHEDULE = const(256)
_CONSTANTS = const(512)
_OCTETS = const(640)  # of all


@micropython.viper
def _load(work: ptr32, to: int, octets: ptr8, at: int):
    """Put 16 words of big-endian octets into the array."""
    to += int(work)
    octets = ptr8(int(octets) + at)
    end = to + 128
    while to < end:
        ptr32(to)[0] = octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]
        octets = ptr8(int(octets) + 4)
        to += 4


@micropython.viper
def _copy(work: ptr32, to: int, at: int, count: int):
    """Copy half words within the array."""
    to += int(work)
    at += int(work)
    end = to + 4 * count
    while to < end:
        ptr32(to)[0] = ptr32(at)[0]
        to += 4
        at += 4


@micropython.viper
def _expand(work: ptr32):
    """Make the next 16 words of the message schedule, in place of those before."""
    at = int(work) + _SCHEDULE
    end = at + 128
    while at < end:
        w = ptr32(at)
        high = uint(w[28])
        low = uint(w[29])
        x = low >> 19 ^ high << 13 ^ high >> 29 ^ low << 3 ^ low >> 6 ^ high << 26
        y = high >> 19 ^ low << 13 ^ low >> 29 ^ high << 3 ^ high >> 6
        high = uint(w[2])
        low = uint(w[3])
        y += high >> 1 ^ low << 31 ^ high >> 8 ^ low << 24 ^ high >> 7
        low = low >> 1 ^ high << 31 ^ low >> 8 ^ high << 24 ^ low >> 7 ^ high << 25
        x += low
        y += uint(x < low)
        low = uint(w[19])
        x += low
        y += uint(w[18]) + uint(x < low)
        low = uint(w[1])
        x += low
        y += uint(w[0]) + uint(x < low)
        w = ptr32(at + 128)
        w[0] = int(y)
        w[1] = int(x)
        at += 8


@micropython.viper
def _rounds(work: ptr32):
    """Do 16 rounds; each leaves the variables eight octets further down."""
    at = int(work) + _VARIABLES + 128
    end = int(work) + _VARIABLES
    w = ptr32(int(work) + _SCHEDULE)
    k = ptr32(int(work) + _CONSTANTS)
    while at > end:
        v = ptr32(at)
        high = uint(v[8])
        low = uint(v[9])
        x = low >> 14 ^ high << 18 ^ low >> 18 ^ high << 14 ^ high >> 9 ^ low << 23
        y = high >> 14 ^ low << 18 ^ high >> 18 ^ low << 14 ^ low >> 9 ^ high << 23
        low = uint(v[13]) ^ low & (uint(v[11]) ^ uint(v[13]))
        x += low
        y += (uint(v[12]) ^ high & (uint(v[10]) ^ uint(v[12]))) + uint(x < low)
        low = uint(v[15])
        x += low
        y += uint(v[14]) + uint(x < low)
        low = uint(k[1])
        x += low
        y += uint(k[0]) + uint(x < low)
        low = uint(w[1])
        x += low
        y += uint(w[0]) + uint(x < low)
        low = uint(v[7]) + x
        v[6] = int(uint(v[6]) + y + uint(low < x))
        v[7] = int(low)
        high = uint(v[0])
        low = uint(v[1])
        z = low >> 28 ^ high << 4 ^ high >> 2 ^ low << 30 ^ high >> 7 ^ low << 25
        x += z
        y += high >> 28 ^ low << 4 ^ low >> 2 ^ high << 30 ^ low >> 7 ^ high << 25
        y += uint(x < z)
        z = low & uint(v[3]) | uint(v[5]) & (low | uint(v[3]))
        x += z
        y += (high & uint(v[2]) | uint(v[4]) & (high | uint(v[2]))) + uint(x < z)
        at -= 8
        v = ptr32(at)
        v[0] = int(y)
        v[1] = int(x)
        w = ptr32(int(w) + 8)
        k = ptr32(int(k) + 8)


@micropython.viper
def _add(work: ptr32):
    """Add the variables to the state."""
    at = int(work)
    end = at + 64
    while at < end:
        v = ptr32(at + _VARIABLES + 128)
        high = uint(v[0])
        low = uint(v[1])
        v = ptr32(at)
        x = uint(v[1]) + low
        v[0] = int(uint(v[0]) + high + uint(x < low))
        v[1] = int(x)
        at += 8


def start(octets):
    """Return the state (for the other functions) that 64 octets stand for."""
    work = array("I", bytes(_OCTETS))
    for i in range(16):
        work[i] = int.from_bytes(octets[4 * i : 4 * i + 4], "big")
    return work


def compress(state, block, constants):
    """Work one block of 128 octets into the state (FIPS 180-4 6.4.2); constants: 640 octets."""
    _load(state, _SCHEDULE, block, 0)
    _copy(state, _VARIABLES + 128, 0, 16)
    for at in range(0, 640, 128):
        if at:
            _expand(state)
            _copy(state, _SCHEDULE, _SCHEDULE + 128, 32)
        _load(state, _CONSTANTS, constants, at)
        _rounds(state)
        _copy(state, _VARIABLES + 128, _VARIABLES, 16)
    _add(state)


def octets(state):
    """Return the state's 64 octets."""
    return b"".join([half.to_bytes(4, "big") for half in state[:16]])
