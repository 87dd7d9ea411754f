"""What the TLS stack's errors mean, as sentences. Loaded only when a connection fails."""

import gc

import unix_time
from est_errors import NetworkError, TrustError
from micropython import const

_TIGHT = const(48000)  # bytes of free heap below which a TLS failure may be for want of memory
# Of mbedTLS, MBEDTLS_ERR_SSL_...: a fatal alert came; bad certificate (extended key usage).
_FATAL_ALERT = const(-0x7780)
_UNKNOWN_NAME = (-2, -3, -200, -202)  # of getaddrinfo(): EAI_NONAME and EAI_AGAIN, and lwIP's
# MBEDTLS_ERR_SSL_CONN_EOF, EPIPE, ECONNRESET of macOS, ECONNRESET, and what asyncio says
_BROKEN = (-0x7280, 29312, 32, 54, 104, -32, -54, -104, "Connection lost")
_DAMAGED = (-0x7180, -0x7200, -0x7700)  # ..._INVALID_MAC, _INVALID_RECORD, _UNEXPECTED_MESSAGE
_BAD_CERTIFICATE = const(-0x7A00)
_EXTENSION = const(-0x2500)  # MBEDTLS_ERR_X509_INVALID_EXTENSIONS, less than 0x80 of detail below


class TlsRefused(NetworkError):
    """The server broke off TLS with an alert: it wants another version or a client certificate."""


def explain(error, host, port, psk=False):
    """Return the error of our hierarchy, as a sentence, for one of the TLS stack or the socket.

    psk: whether a pre-shared key was to authenticate both.
    """
    where = "%s:%d" % (host, port)
    code = error.args[0] if error.args else 0
    if psk and isinstance(error, ValueError):
        return TrustError(where + ": the server showed a certificate, no knowledge of the key")
    if psk and (code == _FATAL_ALERT or "alert" in str(error).lower()):
        return TlsRefused(
            where + ": the server refused the pre-shared key: it does not know the identity, or "
            "has another key for it"
        )
    if isinstance(error, UnicodeError):
        return NetworkError(where + ": no name of a host")
    # CPython's certificate errors are OSErrors and ValueErrors at once; MicroPython's ValueErrors.
    if isinstance(error, ValueError):
        return TrustError(_verification(str(error).strip(), where))
    if code == _BAD_CERTIFICATE:
        return TrustError(
            where + ": the certificate is not meant for a server (extended key usage)"
        )
    if isinstance(code, int) and _EXTENSION - 0x80 < code <= _EXTENSION:
        return TrustError(
            where + ": a certificate of the server's chain has a critical extension that this "
            "firmware's TLS does not know (nameConstraints), or a malformed one"
        )
    # CPython gives a text where mbedTLS gives the number.
    if code == _FATAL_ALERT or "alert" in str(error).lower():
        return TlsRefused(
            where + ": the server broke off TLS; it may want a client certificate, refuse the one "
            "that was sent, or speak only TLS versions that this firmware lacks"
        )
    if code == 12 or code == -0x7F00:
        return NetworkError(where + ": not enough memory for TLS" + _memory())
    # CPython's asyncio gives no code where the server ended the handshake without an alert.
    if not error.args or code in _BROKEN:
        return NetworkError(
            "%s: the connection was broken off; where that happens at once, the server may %s"
            % (where, "not take the pre-shared key" if psk else "want a client certificate")
        )
    if code in _UNKNOWN_NAME:
        return NetworkError(where + ": DNS does not know this host, or cannot be reached")
    if code in _DAMAGED:
        return NetworkError(where + ": what came was damaged on its way, or is no TLS")
    return NetworkError("%s: connection failed (%s)" % (where, error))


def _verification(text, where):
    """Return a sentence for the TLS stack's reason why a certificate was refused."""
    lower = text.lower()
    clock = "; this device's clock says " + unix_time.text(unix_time.now())
    if "future" in lower or "not yet valid" in lower:
        return where + ": the server's certificate is not valid yet" + clock + ": is it set?"
    if "expired" in lower:
        return where + ": the server's certificate has expired" + clock
    if "does not match" in lower or "doesn't match" in lower or "mismatch" in lower:
        return where + ": the server's certificate is for another host name"
    weak = _weak(lower)
    if "trusted" in lower or "issuer" in lower or "self-signed" in lower or "self signed" in lower:
        return (
            where
            + ": the server's certificate does not lead to a trust anchor of this device"
            + ("; " + weak if weak else _memory())
        )
    return where + ": " + (weak or "the server's certificate was refused: " + text)


def _weak(text):
    """Return a sentence where the TLS stack's reason is a weak algorithm, else ""."""
    # mbedTLS: "... signed with an unacceptable hash", "... unacceptable key (eg bad curve, RSA too
    # short)"; OpenSSL: "CA signature digest algorithm too weak", "EE certificate key too weak".
    if "unacceptable" not in text and "too weak" not in text:
        return ""
    if "hash" in text or "digest" in text:
        return "a certificate of the server's chain is signed with too weak a hash, such as SHA-1"
    return "a certificate of the server's chain has too weak a key"


def _memory():
    """Return a hint where memory is so tight that it may be the true cause of a TLS failure."""
    free = gc.mem_free()
    return " (or memory ran out: %d bytes of heap are free)" % free if free < _TIGHT else ""
