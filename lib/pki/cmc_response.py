"""The Full PKI Response (RFC 5272 4.2, RFC 6402): PKIResponse in SignedData, or certs-only.

The signature is the CA's, or that of a registration authority whose certificate chains to the
trust anchors and says id-kp-cmcRA. The wrapper may be BER. Responses inside the response
(cmsSequence) are not looked at.
"""

from est_errors import DerError, LimitError, ProtocolError, TrustError
from micropython import const

from pki import der, der_writer, oid_text, x509

_CMS = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07"  # and 1 for id-data, 2 for id-signedData
_PKI_RESPONSE = b"\x2b\x06\x01\x05\x05\x07\x0c\x03"  # id-cct-PKIResponse
_CONTENT_TYPE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"  # RFC 5652 11.1
_MESSAGE_DIGEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"  # 11.2
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3 for SHA-256, -384, -512
_RSA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # and 1, the key alone; 11, 12, 13 with SHA-2
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


async def verify(content, found, signer, authorities, anchors, time_for, limits):
    """Check who signed a PKIResponse; the first arguments are as opened() returned them.

    authorities, anchors: x509.Certificates of the CA. time_for: function that gives the time of
    validation (Unix seconds) for a Certificate. Raises TrustError, DerError.
    """
    if signer is None:
        raise TrustError("nobody signed the PKI Response")
    signer = der.sequence(signer, ber=True)
    signer.integer()  # version
    named = bytes(signer.element())
    number = _hash_number(signer.enter())
    if signer.peek() != der.CONSTRUCTED_CONTEXT:
        raise DerError("CMC: a signature without signed attributes")
    attributes = bytes(signer.element())
    algorithm = bytes(signer.element(der.SEQUENCE))
    octets = bytes(signer.take(der.OCTET_STRING))
    if signer.peek() == _LAST:
        signer.element()
    signer.finish()
    certificates = [x509.Certificate(raw) for raw in found]
    certificate = _signer(named, certificates + authorities + anchors)
    from pki import algorithms, signature

    kind = der.sequence(algorithm).oid()
    if kind == _RSA + b"\x01":  # RFC 3370 3.2: the hash stands beside it
        kind = _RSA + bytes((10 + number,))
        algorithm = der_writer.tlv(der.SEQUENCE, der_writer.oid(kind), b"\x05\x00")
    if algorithms.hash_number(algorithm, limits) != number:
        raise TrustError("the PKI Response names two different hashes")
    if _signed_digest(attributes) != await signature.digest(number, content):
        raise TrustError("the PKI Response is not what was signed")
    # RFC 5652 5.4: what is signed has the tag of a SET OF.
    signed = b"\x31" + attributes[1:]
    try:
        await signature.verify(certificate.public_key, algorithm, signed, octets, limits)
    except TrustError as error:
        raise TrustError("the PKI Response: " + error.message)
    await _authorised(certificate, certificates, authorities, anchors, time_for, limits)


async def _authorised(certificate, certificates, authorities, anchors, time_for, limits):
    """Check that a signer is the CA, or a registration authority of it (RFC 6402 2.10)."""
    from pki import path, path_rules, registration_authority

    now = time_for(certificate)
    if _among(certificate, anchors):
        path_rules.check_built([certificate], now, limits=limits)
    else:
        pool = certificates + authorities
        await path.check(certificate, pool, anchors, now, limits=limits)
    if certificate.basic_constraints[0]:
        if _among(certificate, anchors + authorities):
            return
    elif registration_authority.is_one(certificate):
        usage = certificate.key_usage
        if usage is None or usage >> x509.DIGITAL_SIGNATURE & 1:
            return
    raise TrustError(
        "the PKI Response is signed by neither the CA nor a registration authority (id-kp-cmcRA)"
    )


def _among(certificate, others):
    return any(certificate.raw == other.raw for other in others)


def _signer(named, certificates):
    """Return the Certificate that a SignerIdentifier (DER) names. Raises TrustError."""
    if named[0] == 0x80:
        identifier = bytes(der.Reader(named).take(0x80))
        for certificate in certificates:
            if certificate.subject_key_identifier == identifier:
                return certificate
    else:
        reader = der.sequence(named)
        issuer = reader.element(der.SEQUENCE)
        serial = reader.integer_bytes()
        for certificate in certificates:
            if certificate.serial == serial and certificate.issuer == issuer:
                return certificate
    raise TrustError("the certificate that signed the PKI Response is not there")


def _hash_number(algorithm):
    """Return 1, 2, 3 for SHA-256, SHA-384, SHA-512. Raises TrustError for others."""
    kind = algorithm.oid()
    if kind[:-1] != _SHA2 or not 1 <= kind[-1] <= 3:
        raise TrustError("hashes with %s are not accepted" % oid_text.dotted(kind))
    return kind[-1]


def _signed_digest(attributes):
    """Return the messageDigest (bytes) of signed attributes; the contentType has to be right."""
    reader = der.Reader(attributes).enter(der.CONSTRUCTED_CONTEXT)
    kind = digest = None
    while reader.more():
        attribute = reader.enter()
        name = attribute.oid()
        values = attribute.enter(der.SET)
        attribute.finish()
        # RFC 5652 11: each of these once, with one value.
        if name == _CONTENT_TYPE and kind is None:
            kind = values.oid()
            values.finish()
        elif name == _MESSAGE_DIGEST and digest is None:
            digest = bytes(values.take(der.OCTET_STRING))
            values.finish()
        elif name in (_CONTENT_TYPE, _MESSAGE_DIGEST):
            raise DerError("CMC: the same signed attribute twice")
    if kind != _PKI_RESPONSE or digest is None:
        raise DerError("CMC: the signed attributes are not a PKI Response's")
    return digest


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
