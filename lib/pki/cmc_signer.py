"""Who signed a PKI Response: the CA, or a registration authority of it (RFC 5272 4.2, RFC 6402).

The signature is the CA's, by its own key or by one that it certified for CMC (id-kp-cmcCA), or
that of a registration authority whose certificate chains to the trust anchors and says
id-kp-cmcRA.
"""

from est_errors import DerError, TrustError
from micropython import const

from pki import der, x509

_PKI_RESPONSE = b"\x2b\x06\x01\x05\x05\x07\x0c\x03"  # id-cct-PKIResponse
_CONTENT_TYPE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"  # RFC 5652 11.1
_MESSAGE_DIGEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"  # 11.2
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # and 1, 2, 3 for SHA-256, -384, -512
_RSA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # and 1, the key alone; 11, 12, 13 with SHA-2
_LAST = const(0xA1)  # [1]: unsigned attributes


async def verify(content, signer, others, trusted, limits):
    """Verify the signature of a PKIResponse; content and signer are as opened() returned them.

    others: x509.Certificates of the message; trusted: those of the CA. Returns the Certificate of
    who signed it, whose path is still to be checked, and whether it may: bool. Raises TrustError,
    DerError.
    """
    if signer is None:
        raise TrustError("nobody signed the PKI Response")
    certificate = await _verified(content, signer, others + trusted, limits)
    return certificate, _authorised(certificate, trusted)


async def _verified(content, signer, certificates, limits):
    """Verify the signature of a SignerInfo (DER); return the Certificate of who made it."""
    signer = der.sequence(signer, ber=True)
    signer.integer()  # version
    certificate = _named(signer.element(), certificates)
    number = _hash_number(signer.enter())
    if signer.peek() != der.CONSTRUCTED_CONTEXT:
        raise DerError("CMC: a signature without signed attributes")
    attributes = bytes(signer.element())
    algorithm = signer.element(der.SEQUENCE)
    octets = signer.take(der.OCTET_STRING)
    if signer.peek() == _LAST:
        signer.element()
    signer.finish()
    from pki import algorithms, signature

    kind = der.sequence(algorithm).oid()
    if kind == _RSA + b"\x01":  # RFC 3370 3.2: the hash stands beside it
        kind = _RSA + bytes((10 + number,))
        from pki import der_writer

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
    return certificate


def _authorised(certificate, authorities):
    """Return whether a signer is the CA, by its own key or by one that it certified for CMC, or a
    registration authority (RFC 6402 2.10)."""
    if certificate.basic_constraints[0]:
        return any(certificate.raw == other.raw for other in authorities)
    from pki import registration_authority

    usage = certificate.key_usage
    if usage is not None and not usage >> x509.DIGITAL_SIGNATURE & 1:
        return False
    return registration_authority.is_one(certificate) or (
        registration_authority.is_one(certificate, 27)
        and any(certificate.issuer == other.subject for other in authorities)
    )


def _named(named, certificates):
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
        from pki import oid_text

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
