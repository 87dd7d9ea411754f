"""MicroPython's `cryptolib` module for CPython, over `cryptography`: AES in ECB and CBC mode."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

_ECB, _CBC = 1, 2


class aes:
    """A cipher for one direction: encrypt() or decrypt(), whichever is called first."""

    def __init__(self, key, mode, iv=None):
        if len(key) not in (16, 32) or mode not in (_ECB, _CBC):
            raise ValueError("key" if mode in (_ECB, _CBC) else "mode")  # as MicroPython has it
        chosen = modes.CBC(bytes(iv)) if mode == _CBC else modes.ECB()
        self._cipher = Cipher(algorithms.AES(bytes(key)), chosen)
        self._context = None

    def encrypt(self, octets):
        """Return whole blocks encrypted."""
        if self._context is None:
            self._context = self._cipher.encryptor()
        return self._context.update(octets)

    def decrypt(self, octets):
        """Return whole blocks decrypted."""
        if self._context is None:
            self._context = self._cipher.decryptor()
        return self._context.update(octets)
