"""What a handshake shows of the server: its chain, which is checked before any octet is sent.

A file of its own: of what opens connections, this alone is in the heap while TLS verifies.
"""

import tls
from est_errors import EstError
from micropython import const

_FATAL_ERROR = const(-0x3000)  # MBEDTLS_ERR_X509_FATAL_ERROR


class Peer:
    """Looks at the server's chain while the handshake verifies it."""

    def __init__(self, authorise, context):
        self._authorise = authorise
        self._context = context  # the tls.SSLContext that calls seen()
        self._chain = []
        self.chain = None  # the verified chain, leaf first, once the handshake has shown it
        self.error = None  # why the server was refused: an EstError

    def seen(self, der, depth):
        """Be called by the TLS stack for each certificate, leaf last; not 0 ends the handshake."""
        try:
            self._chain.insert(0, bytes(der))  # the memory is the TLS stack's
            if depth == 0:
                self.chain = self._chain
                if self._authorise:
                    self._authorise(self.chain)
        except EstError as error:
            self.error = error  # an exception must not pass through the TLS stack
        except MemoryError:
            self.error = EstError("not enough memory to check the server's certificate")
        # Negative: a positive number would be taken for octets read or written.
        return _FATAL_ERROR if self.error else 0

    def leave(self):
        """Let go of everything: MicroPython's poll object holds on to the last TLS connection."""
        if self._context:
            self._context.verify_callback = None
        self._authorise = self._context = None


def tls_unique(stream):
    """Return the tls-unique channel binding (bytes; RFC 5929), or None where there is none.

    MicroPython's `tls` has none, CPython's shim where the connection speaks TLS 1.2.
    """
    found = getattr(tls, "tls_unique", None)
    return found and found(stream._writer)
