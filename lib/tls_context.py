"""Makes TLS contexts, and sets explicitly what they verify (RFC 7030 3.3); see tls_stream."""

import tls
from est_errors import KeyFault, TrustError


def sends_chain(certificate):
    """Return whether this port sends intermediates with a client certificate (DER bytes)."""
    from pki import pem

    try:
        tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).load_verify_locations(pem.encode([certificate]))
    except (ValueError, OSError):
        return False
    return True


def provisional():
    """Return the tls.SSLContext of a provisional connection, which nothing verifies (4.1.1)."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_NONE
    return context


def verifying(anchors, client=None):
    """Return a tls.SSLContext that verifies the server, chain and host name.

    anchors: DER certificates (bytes) that a server chain may end in. client: None, or
    (certificate, key, intermediates) in DER: what to send as client certificate, its SEC 1 or
    PKCS #8 key, and a list. Raises TrustError and KeyFault.
    """
    if not anchors:
        raise TrustError("no trust anchors: give an anchors file or a fingerprint")
    if not client:
        return _anchored(anchors)
    certificate, key, intermediates = client
    if intermediates:
        # More than one certificate goes in as PEM only, which boards take from MicroPython 1.29
        # on: before, they send the leaf alone. What refused once is of no use: hence the return.
        from pki import pem

        try:
            return _with_client(anchors, pem.encode([certificate] + list(intermediates)), key)
        except KeyFault:
            pass
    return _with_client(anchors, certificate, key)


def _anchored(anchors):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    for anchor in anchors:
        try:
            # One DER a call: of several only the first counts.
            context.load_verify_locations(anchor)
        except (ValueError, OSError):
            raise TrustError(
                "the TLS stack does not take a trust anchor: no DER certificate, or a critical "
                "extension that it does not know"
            )
    return context


def _with_client(anchors, certificates, key):
    context = _anchored(anchors)
    try:
        context.load_cert_chain(certificates, key)
    except (ValueError, OSError, TypeError):
        raise KeyFault("the TLS stack does not take the client certificate and key")
    return context
