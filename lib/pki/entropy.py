"""Random numbers for keys: a large pool of the port's randomness, conditioned with SHA-256.

Some ports give raw oscillator bits (RP2 before 1.28), others are good only while the radio is on
(ESP32): a pool much larger than the output is hashed, so that weak bits add up.
"""

import hashlib
import os

from micropython import const

_POOL = const(256)  # octets gathered for each 32 that come out
_READ = const(32)


def octets(count):
    """Return `count` random octets (bytes)."""
    out = b""
    while len(out) < count:
        pool = hashlib.sha256()
        for _ in range(_POOL // _READ):
            pool.update(os.urandom(_READ))
        out += pool.digest()
    return out[:count]


def below(limit):
    """Return a random int in [0, limit), by 64 bits more than limit has (FIPS 186-4 B.4.1).

    limit: int of at most 256 bits.
    """
    return int.from_bytes(octets(40), "big") % limit
