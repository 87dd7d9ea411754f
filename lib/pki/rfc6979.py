"""Deterministic nonces for ECDSA (RFC 6979) with HMAC-SHA256, for orders of 256 bits."""

import hashlib


def nonces(d, digest, n):
    """Yield candidates 0 < k < n for the private scalar d and a 32-byte digest; take the first.

    The following ones are for the case, never seen, that a signature's r or s is zero.
    """
    seed = d.to_bytes(32, "big") + (int.from_bytes(digest, "big") % n).to_bytes(32, "big")
    v = b"\x01" * 32
    k = bytes(32)
    for separator in (b"\0", b"\x01"):
        k = _hmac(k, v + separator + seed)
        v = _hmac(k, v)
    while True:
        v = _hmac(k, v)
        candidate = int.from_bytes(v, "big")
        if 0 < candidate < n:
            yield candidate
        k = _hmac(k, v + b"\0")
        v = _hmac(k, v)


def _hmac(key, message):
    """Return HMAC-SHA256 (RFC 2104) for a 32-byte key; MicroPython has no hmac module."""
    pads = []
    for pad in (0x36, 0x5C):
        block = bytearray(64)
        for i in range(64):
            block[i] = pad ^ key[i] if i < 32 else pad
        pads.append(block)
    inner = hashlib.sha256(pads[0])
    inner.update(message)
    outer = hashlib.sha256(pads[1])
    outer.update(inner.digest())
    return outer.digest()
