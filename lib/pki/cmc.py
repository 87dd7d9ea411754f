"""The Full PKI Request (RFC 5272 3.2, RFC 6402), as RFC 7030 4.3 sends it: one PKCS #10 request.

PKIData with transactionId and senderNonce, in SignedData (RFC 5652) with SHA-256. Other controls,
CRMF requests and more than one request are not made. The answer is pki.cmc_response's.
"""

import hashlib

from est_errors import KeyFault
from heap import forget
from micropython import const

from pki import der, der_writer, oid

_TRANSACTION_ID = b"\x2b\x06\x01\x05\x05\x07\x07\x05"  # RFC 5272 6.6
_SENDER_NONCE = b"\x2b\x06\x01\x05\x05\x07\x07\x06"
_PKI_DATA = b"\x2b\x06\x01\x05\x05\x07\x0c\x02"  # id-cct-PKIData
_SIGNED_DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_CONTENT_TYPE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"  # RFC 5652 11.1
_MESSAGE_DIGEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"  # 11.2
_SHA256 = b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"  # RFC 5754 2: no parameters
_KEY_IDENTIFIER = const(0x80)  # [0] of SignerIdentifier


async def request(key, request_der, transaction, nonce, certificate=None):
    """Return the Full PKI Request (DER bytes) around a PKCS #10 request (DER), signed by `key`.

    key: as in pki.keys; where certificate (DER) is given, it is that one's, else the request's
    own, which identified() then names in the request. transaction, nonce: the DER of the
    transactionId (an INTEGER) and of the senderNonce (an OCTET STRING). Raises KeyFault where
    the key is another one, DerError.
    """
    signer, bag = _signer(await key.public_key(), request_der, certificate)
    forget("pki.x509")
    content = _data(request_der, transaction, nonce)
    digest = der_writer.tlv(der.OCTET_STRING, hashlib.sha256(content).digest())
    attributes = der_writer.set_of(
        [
            _attribute(_CONTENT_TYPE, der_writer.oid(_PKI_DATA)),
            _attribute(_MESSAGE_DIGEST, digest),
        ]
    )
    # RFC 5652 5.4: what is signed has the tag of a SET OF, what is sent has [0].
    signature = await key.sign(hashlib.sha256(attributes).digest())
    signer_info = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(1 if certificate else 3),
        signer,
        _SHA256,
        b"\xa0" + attributes[1:],
        key.signature_algorithm,
        der_writer.tlv(der.OCTET_STRING, signature),
    )
    inner = [der_writer.oid(_PKI_DATA)]
    inner += _wrapped(der.CONSTRUCTED_CONTEXT, _wrapped(der.OCTET_STRING, [content]))
    signed = [der_writer.integer(3), der_writer.tlv(der.SET, _SHA256)]
    signed += _wrapped(der.SEQUENCE, inner)
    signed += [bag, der_writer.tlv(der.SET, signer_info)]
    whole = [der_writer.oid(_SIGNED_DATA)]
    whole += _wrapped(der.CONSTRUCTED_CONTEXT, _wrapped(der.SEQUENCE, signed))
    return b"".join(_wrapped(der.SEQUENCE, whole))


def _data(request_der, transaction, nonce):
    """Return the PKIData (DER)."""
    controls = der_writer.tlv(
        der.SEQUENCE,
        _control(1, _TRANSACTION_ID, transaction),
        _control(2, _SENDER_NONCE, nonce),
    )
    # TaggedRequest: [0] IMPLICIT TaggedCertificationRequest
    tagged = _wrapped(der.CONSTRUCTED_CONTEXT, [der_writer.integer(3), request_der])
    empty = der_writer.tlv(der.SEQUENCE)
    parts = [controls] + _wrapped(der.SEQUENCE, tagged) + [empty, empty]
    return b"".join(_wrapped(der.SEQUENCE, parts))


def _wrapped(tag, parts):
    """Return the parts (list) of an element around these parts: no copy of what is large."""
    return [der_writer.head(tag, parts)] + parts


def _signer(public, request_der, certificate):
    """Return (SignerIdentifier, certificates) in DER. Raises KeyFault where the key is another."""
    from pki import x509

    if certificate is None:
        wanted = x509.request_public_key(request_der)
        signer = der_writer.tlv(_KEY_IDENTIFIER, key_identifier(public))
        bag = b""
    else:
        old = x509.Certificate(certificate)
        wanted = old.public_key
        signer = der_writer.tlv(der.SEQUENCE, old.issuer, der_writer.integer(bytes(old.serial)))
        bag = der_writer.tlv(der.CONSTRUCTED_CONTEXT, certificate)
    if bytes(wanted) != public:
        whose = "certificate" if certificate else "request"
        raise KeyFault("the key that signs is not the %s's" % whose)
    return signer, bag


def identified(public):
    """Return the extension subjectKeyIdentifier, as csr.signed() takes it, for a request.

    public: SubjectPublicKeyInfo (DER). RFC 5272 wants it in a request that signs for itself.
    """
    from pki import csr

    value = der_writer.tlv(der.OCTET_STRING, key_identifier(public))
    return csr.extension(oid.SUBJECT_KEY_IDENTIFIER, False, value)


def key_identifier(public):
    """Return the identifier (20 bytes; RFC 7093 2, method 1) of a SubjectPublicKeyInfo (DER)."""
    reader = der.sequence(public)
    reader.element(der.SEQUENCE)
    return hashlib.sha256(reader.bit_string()).digest()[:20]


def _control(number, kind, value):
    """Return a TaggedAttribute (DER)."""
    return der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(number),
        der_writer.oid(kind),
        der_writer.tlv(der.SET, value),
    )


def _attribute(kind, value):
    return der_writer.tlv(der.SEQUENCE, der_writer.oid(kind), der_writer.tlv(der.SET, value))
