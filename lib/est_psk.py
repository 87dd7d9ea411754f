"""TLS with a pre-shared key in place of certificates (RFC 7030 3.3.3)."""

import tls
from est_errors import ConfigError
from micropython import const

_INFO = const(20)  # of logging


def check(psk, certificate):
    """Raise ConfigError where (identity, key) is none that may be used (RFC 4279 5, 3.3.3)."""
    identity, key = psk
    if certificate:
        raise ConfigError("give a client certificate or a pre-shared key, not both")
    if not isinstance(identity, str) or not 0 < len(identity.encode()) <= 128:
        raise ConfigError("the identity of the pre-shared key is no text of 1 to 128 bytes")
    if not isinstance(key, bytes) or not 16 <= len(key) <= 64:
        raise ConfigError("a pre-shared key has 16 to 64 random bytes")


def context(psk):
    """Return a tls.SSLContext for (identity, key); MicroPython 1.29 and CPython 3.13 have it."""
    found = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if not hasattr(found, "psk_key"):
        raise ConfigError(
            "this TLS stack has no pre-shared keys: MicroPython 1.29 or CPython 3.13 is needed"
        )
    # No anchor is loaded: a server that answers with a certificate is refused.
    found.verify_mode = tls.CERT_REQUIRED
    found.psk_identity = psk[0].encode()
    found.psk_key = psk[1]
    return found


def answered(client):
    """Note that the server has proved itself: nobody ends that handshake without the key."""
    if not (client.verified and client.authorised[0] == "psk"):
        client.verified = True
        client.authorised = ("psk", "identity")
        client._log(_INFO, "server authorised by the pre-shared key")
