"""AES through the firmware's `cryptolib`: key unwrapping (RFC 3394) and CBC (NIST SP 800-38A)."""

from est_errors import KeyFault, ProtocolError
from micropython import const

_ECB = const(1)
_CBC = const(2)


def unwrap(kek, wrapped):
    """Return the key (bytes) that a key-encryption key opens, or None where that is another one.

    kek: bytes; wrapped: bytes-like. RFC 3394 2.2.2. Raises KeyFault where the firmware has no AES
    of that size.
    """
    size = len(wrapped)
    if size < 24 or size > 40 or size & 7:
        return None
    cipher = _new(kek, _ECB)
    n = size // 8 - 1
    block = bytearray(wrapped[:8]) + bytearray(8)
    keys = bytearray(wrapped[8:])
    for t in range(6 * n, 0, -1):
        at = (t - 1) % n * 8
        block[7] ^= t  # at most 24
        block[8:] = keys[at : at + 8]
        block = bytearray(cipher.decrypt(bytes(block)))
        keys[at : at + 8] = block[8:]
    differs = 0
    for c in block[:8]:
        differs |= c ^ 0xA6
    return None if differs else bytes(keys)


def decrypt_cbc(key, iv, octets):
    """Return what was encrypted with AES-CBC and the padding of RFC 5652 6.3 (bytes).

    All that can be wrong is one error, a ProtocolError: its text must not tell which it was.
    Raises KeyFault where the firmware has no AES of that size.
    """
    cipher = _new(key, _CBC, iv)
    if len(octets) < 16 or len(octets) & 15:
        raise ProtocolError("CMS: the encrypted content cannot be decrypted")
    plain = cipher.decrypt(bytes(octets))
    pad = plain[-1]
    wrong = not 0 < pad <= 16
    for c in plain[-16:][16 - (pad & 15 or 16) :]:
        wrong |= c != pad
    if wrong:
        raise ProtocolError("CMS: the encrypted content cannot be decrypted")
    return plain[:-pad]


def _new(key, mode, *iv):
    try:
        from cryptolib import aes
    except ImportError:
        raise KeyFault("this firmware has no cryptolib: keys that come encrypted cannot be opened")
    try:
        return aes(key, mode, *iv)
    except ValueError:
        raise KeyFault("this firmware has no AES with keys of %d bits" % (8 * len(key)))
