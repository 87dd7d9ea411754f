"""SHA-512's compression on big integers: the engine of pki.sha512 that runs everywhere."""

_MASK = 0xFFFFFFFFFFFFFFFF


def start(octets):
    """Return the state (for the other functions) that 64 octets stand for."""
    return [int.from_bytes(octets[i : i + 8], "big") for i in range(0, 64, 8)]


def compress(state, block, constants):
    """Work one block of 128 octets into the state (FIPS 180-4 6.4.2); constants: 640 octets."""
    w = [int.from_bytes(block[i : i + 8], "big") for i in range(0, 128, 8)]
    a, b, c, d, e, f, g, h = state
    for i in range(80):
        if i >= 16:
            x = w[(i - 15) & 15]
            y = w[(i - 2) & 15]
            w[i & 15] = (
                w[i & 15]
                + (_rotate(x, 1) ^ _rotate(x, 8) ^ x >> 7)
                + w[(i - 7) & 15]
                + (_rotate(y, 19) ^ _rotate(y, 61) ^ y >> 6)
            ) & _MASK
        k = int.from_bytes(constants[8 * i : 8 * i + 8], "big")
        s1 = _rotate(e, 14) ^ _rotate(e, 18) ^ _rotate(e, 41)
        t1 = h + s1 + (g ^ (e & (f ^ g))) + k + w[i & 15]
        s0 = _rotate(a, 28) ^ _rotate(a, 34) ^ _rotate(a, 39)
        t2 = s0 + ((a & b) | (c & (a | b)))
        h, g, f, e, d, c, b, a = g, f, e, (d + t1) & _MASK, c, b, a, (t1 + t2) & _MASK
    for i, value in enumerate((a, b, c, d, e, f, g, h)):
        state[i] = (state[i] + value) & _MASK


def octets(state):
    """Return the state's 64 octets."""
    return b"".join([word.to_bytes(8, "big") for word in state])


def _rotate(x, n):
    return (x >> n | x << (64 - n)) & _MASK
