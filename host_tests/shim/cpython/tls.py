"""MicroPython's `tls` module for CPython, over `ssl`: DER in memory instead of PEM files.

It also gives asyncio's StreamReader the `readinto` of MicroPython.
"""

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from ssl import CERT_NONE, CERT_REQUIRED, PROTOCOL_TLS_CLIENT  # noqa: F401


class _SSLObject(ssl.SSLObject):
    """Calls the context's verify_callback for the leaf, once the handshake has verified it."""

    def do_handshake(self):
        super().do_handshake()
        callback = self.context.verify_callback
        if callback and callback(memoryview(self.getpeercert(True)), 0):
            raise ValueError("refused by verify_callback")


class SSLContext(ssl.SSLContext):
    """An ssl.SSLContext that takes DER, as MicroPython's does, and has its verify_callback."""

    sslobject_class = _SSLObject
    verify_callback = None

    def __init__(self, protocol):
        self.minimum_version = ssl.TLSVersion.TLSv1_2

    @property
    def verify_mode(self):
        return super().verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        # ssl wants the name check off first; MicroPython switches it together with the mode.
        self.check_hostname = mode != ssl.CERT_NONE
        super(SSLContext, SSLContext).verify_mode.__set__(self, mode)

    def load_verify_locations(self, der):
        super().load_verify_locations(cadata=der)

    def load_cert_chain(self, certificate, key):
        from cryptography.hazmat.primitives import serialization

        private = serialization.load_der_private_key(key, None)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # ssl reads certificate and key from files only.
        with _private_file(ssl.DER_cert_to_PEM_cert(certificate).encode() + pem) as path:
            super().load_cert_chain(path)


@contextlib.contextmanager
def _private_file(content):
    """Give the path of a file that holds content and that nobody else can read, for a moment."""
    if sys.platform == "linux":
        fd = os.memfd_create("key")  # never touches a disk
        path = f"/proc/self/fd/{fd}"
    else:
        fd, path = tempfile.mkstemp()
    try:
        os.write(fd, content)
        yield path
    finally:
        os.close(fd)
        if sys.platform != "linux":
            os.unlink(path)


async def _readinto(self, view):
    data = await self.read(len(view))
    view[: len(data)] = data
    return len(data)


asyncio.StreamReader.readinto = _readinto
