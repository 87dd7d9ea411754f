"""The certificates of a certs-only CMS message (RFC 5652; RFC 7030 4.1.3 and 4.2.3).

The wrapper may be BER, as servers on Bouncy Castle send it; what is inside stays as it came. No
signature is looked for: a certs-only message carries none, its transport is what was verified.
Certificates without any wrapper, which some servers send, are taken as well.
"""

from est_errors import DerError, LimitError

from pki import der

_SIGNED_DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_CERTIFICATES = 0xA0
_CRLS = 0xA1


def certificates(message, limit):
    """Return the certificates of a certs-only message: a list of DER (bytes), in its order.

    message: bytes-like; limit: how many certificates there may be. Raises DerError and LimitError.
    """
    first = der.Reader(message, ber=True).enter()
    if first.peek() == der.SEQUENCE and first.enter().peek() == der.CONSTRUCTED_CONTEXT:
        return _elements(der.Reader(message), limit)  # a tbsCertificate with its version
    content_info = der.sequence(message, ber=True)
    if content_info.oid() != _SIGNED_DATA:
        raise DerError("CMS: this is not SignedData")
    wrapper = content_info.enter(der.CONSTRUCTED_CONTEXT)
    content_info.finish()
    signed = wrapper.enter()
    wrapper.finish()
    signed.integer()  # version
    signed.element(der.SET)  # digestAlgorithms
    signed.element(der.SEQUENCE)  # encapContentInfo: absent or empty content
    found = []
    if signed.peek() == _CERTIFICATES:
        found = _elements(signed.enter(_CERTIFICATES), limit)
    if signed.peek() == _CRLS:
        signed.element(_CRLS)
    signed.element(der.SET)  # signerInfos
    signed.finish()
    return found


def _elements(bag, limit):
    """Return the certificates that stand one after another."""
    found = []
    while bag.more():
        if len(found) == limit:
            raise LimitError("CMS: more than %d certificates" % limit)
        found.append(bytes(bag.element(der.SEQUENCE)))
    return found
