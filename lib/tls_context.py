"""Makes TLS contexts, and sets explicitly what they verify (RFC 7030 3.3); see tls_stream."""

import tls
from est_errors import KeyFault, TrustError


def client_context(anchors, client):
    """Return a verifying tls.SSLContext for the application: see connect() for the arguments."""
    return make(anchors, client, False)


def sends_chain(certificate):
    """Return whether this port sends intermediates with a client certificate (DER bytes)."""
    from pki import pem

    try:
        tls.SSLContext(tls.PROTOCOL_TLS_CLIENT).load_verify_locations(pem.encode([certificate]))
    except (ValueError, OSError):
        return False
    return True


def make(anchors, client, provisional):
    """Return a tls.SSLContext that verifies the server, or a provisional one that cannot."""
    if provisional:
        if client or anchors:
            raise TrustError("a provisional connection carries no certificate (RFC 7030 4.1.1)")
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_NONE
        return context
    if not anchors:
        raise TrustError("no trust anchors: give an anchors file or a fingerprint")
    if not client:
        return _verifying(anchors)
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


def _verifying(anchors):
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.verify_mode = tls.CERT_REQUIRED
    for anchor in anchors:
        try:
            # One DER a call: of several only the first counts.
            context.load_verify_locations(anchor)
        except (ValueError, OSError):
            raise TrustError(
                "the TLS stack does not take a trust anchor: it is no DER certificate, or has a "
                "critical extension that this firmware does not know"
            )
    return context


def _with_client(anchors, certificates, key):
    context = _verifying(anchors)
    try:
        context.load_cert_chain(certificates, key)
    except (ValueError, OSError, TypeError):
        raise KeyFault("the TLS stack does not take the client certificate and key")
    return context
