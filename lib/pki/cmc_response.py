"""The Full PKI Response (RFC 5272 4.2, RFC 6402): PKIResponse in SignedData, or certs-only.

Who signed it is pki.cmc_signer's to check. The wrapper may be BER. Responses inside the response
(cmsSequence) are not looked at.
"""

from est_errors import DerError, LimitError, ProtocolError
from micropython import const

from pki import der

_CMS = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # and 1 for id-data, 2 for id-signedData
_PKI_RESPONSE = b"\x2b\x06\x01\x05\x05\x07\x0c\x03"  # id-cct-PKIResponse
_CONSTRUCTED_OCTETS = const(0x24)  # BER: an OCTET STRING in pieces
_LAST = const(0xA1)  # [1]: CRLs, unsigned attributes


def opened(message, limits):
    """Return (PKIResponse DER or None, certificates, SignerInfo or None) of a CMS message.

    message: DER or BER, bytes-like; the others are bytes. None where the message is certs-only.
    Nothing is verified. Raises DerError, LimitError, ProtocolError.
    """
    content_info = der.sequence(message, ber=True)
    if content_info.oid() != _CMS + b"\x02":
        raise DerError("CMC: this is not SignedData")
    wrapper = content_info.enter(der.CONSTRUCTED_CONTEXT)
    content_info.finish()
    signed = wrapper.enter()
    wrapper.finish()
    signed.integer()  # version
    signed.element(der.SET)  # digestAlgorithms
    inner = signed.enter()
    kind = inner.oid()
    content = None
    if inner.more():
        content = _octets(inner.enter(der.CONSTRUCTED_CONTEXT))
    inner.finish()
    found = []
    if signed.peek() == der.CONSTRUCTED_CONTEXT:
        bag = signed.enter(der.CONSTRUCTED_CONTEXT)
        while bag.more():
            if len(found) == limits.MAX_CERTIFICATES:
                raise LimitError("CMC: more than %d certificates" % limits.MAX_CERTIFICATES)
            found.append(bytes(bag.element(der.SEQUENCE)))
    if signed.peek() == _LAST:
        signed.element()
    signers = signed.enter(der.SET)
    signed.finish()
    if kind == _CMS + b"\x01" and not content and not signers.more():
        return None, found, None
    if kind != _PKI_RESPONSE or not content:
        raise ProtocolError("the server sent CMS that is no PKI Response")
    signer = bytes(signers.element(der.SEQUENCE)) if signers.more() else None
    signers.finish()  # RFC 5272 allows more; there is one certificate to check
    return content, found, signer


def _octets(reader):
    """Return the octets (bytes) of an OCTET STRING, in one piece or in many."""
    if reader.peek() != _CONSTRUCTED_OCTETS:
        octets = bytes(reader.take(der.OCTET_STRING))
    else:
        pieces = reader.enter(_CONSTRUCTED_OCTETS)
        octets = bytearray()
        while pieces.more():
            octets.extend(pieces.take(der.OCTET_STRING))
        octets = bytes(octets)
    reader.finish()
    return octets
