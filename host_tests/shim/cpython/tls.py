"""MicroPython's `tls` module for CPython, over `ssl`: DER in memory instead of PEM files.

It also gives asyncio's StreamReader the `readinto` of MicroPython and an `idle`, and CPython
before 3.12 a `wait_for` that loses no cancellation.
"""

import _ssl
import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from ssl import CERT_NONE, CERT_REQUIRED, PROTOCOL_TLS_CLIENT  # noqa: F401

# OpenSSL's verdicts on the name, which MicroPython's callback cannot see yet when it is called.
_OTHER_NAME = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH

_PSK_SUITES = (
    "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-AES128-GCM-SHA256:"
    "ECDHE-PSK-AES256-CBC-SHA384:ECDHE-PSK-AES128-CBC-SHA256"
)


class _SSLObject(ssl.SSLObject):
    """Shows the verified chain to the context's verify_callback, from the root to the leaf."""

    def do_handshake(self):
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in _OTHER_NAME:
                self._show_chain()
            raise
        if self.context.verify_mode != ssl.CERT_NONE and not self._show_chain():
            raise ValueError("refused by verify_callback")

    def _show_chain(self):
        """Return whether the callback takes every certificate."""
        callback = self.context.verify_callback
        chain = self._verified_chain() if callback else []
        for depth in range(len(chain) - 1, -1, -1):
            if callback(memoryview(chain[depth]), depth):
                return False
        return True

    def _verified_chain(self):
        if hasattr(self, "get_verified_chain"):  # CPython 3.13
            return self.get_verified_chain()
        found = self._sslobj.get_verified_chain() or ()
        return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in found]


class SSLContext(ssl.SSLContext):
    """An ssl.SSLContext that takes DER, as MicroPython's does, and has its verify_callback."""

    sslobject_class = _SSLObject
    verify_callback = None

    def __init__(self, protocol):
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        # As mbedTLS: the library itself refuses what has no subjectAltName.
        self.hostname_checks_common_name = True
        self.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an anchor need not be a root

    @property
    def verify_mode(self):
        return super().verify_mode

    @verify_mode.setter
    def verify_mode(self, mode):
        # ssl wants the name check off first; MicroPython switches it together with the mode.
        self.check_hostname = mode != ssl.CERT_NONE
        super(SSLContext, SSLContext).verify_mode.__set__(self, mode)

    if getattr(ssl, "HAS_PSK", False):  # CPython 3.13
        psk_identity = b""

        @property
        def psk_key(self):
            return None

        @psk_key.setter
        def psk_key(self, key):
            # With ephemeral keys, and none of OpenSSL's suites without encryption.
            self.set_ciphers(_PSK_SUITES)
            self.set_psk_client_callback(lambda hint: (self.psk_identity.decode(), key))

    def load_verify_locations(self, certificates):
        pem = certificates.startswith(b"-----BEGIN")
        super().load_verify_locations(cadata=certificates.decode() if pem else certificates)

    def load_cert_chain(self, certificates, key):
        from cryptography.hazmat.primitives import serialization

        private = serialization.load_der_private_key(key, None)
        pem = private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # ssl reads certificate and key from files only.
        if not certificates.startswith(b"-----BEGIN"):
            certificates = ssl.DER_cert_to_PEM_cert(certificates).encode()
        with _private_file(certificates + pem) as path:
            super().load_cert_chain(path)


def tls_unique(writer):
    """Return the tls-unique (bytes) of an asyncio.StreamWriter's connection; None in TLS 1.3.

    There it is not defined (RFC 8446 C.5), and ssl has no exporter for RFC 9266.
    """
    connection = writer.get_extra_info("ssl_object")
    if connection is None or connection.version() != "TLSv1.2":
        return None
    return connection.get_channel_binding("tls-unique")


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
asyncio.StreamReader.idle = lambda self: not self._buffer and not self._eof


async def _wait_for(awaitable, timeout):
    """asyncio.wait_for: before 3.12 its own one, inside of another, could drop the other's end.

    (python/cpython#86296: a step that is done in the very moment in which it is cancelled.)
    """
    task = asyncio.ensure_future(awaitable)
    try:
        done, _ = await asyncio.wait([task], timeout=timeout)
    except asyncio.CancelledError:
        await _end(task)
        raise
    if done:
        return task.result()
    await _end(task)
    raise asyncio.TimeoutError


async def _end(task):
    """Cancel a task and let it clean up; what it says then does not count any more."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


if sys.version_info < (3, 12):
    asyncio.wait_for = _wait_for
