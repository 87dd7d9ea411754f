"""RSA keys for tests: making one takes seconds, so each is made once for a process."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa


@cache
def rsa_key(bits: int, exponent: int = 65537, which: int = 0) -> rsa.RSAPrivateKey:
    """Return a key of that size; `which` tells several of them apart."""
    return rsa.generate_private_key(exponent, bits)
