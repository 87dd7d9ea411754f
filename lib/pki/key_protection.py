"""What a request for a server-made key says when the key shall come encrypted (RFC 7030 4.4.1).

    more = key_protection.symmetric(identifier)
    request = await csr.build(key, "CN=pump 7", more=more)
    key, certificate = await client.serverkeygen(request, (identifier, aes_key))

What it promises to open is what pki.enveloped opens.
"""

from pki import der, der_writer

_ATTRIBUTE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09"  # PKCS #9
_CAPABILITIES = b"\x0f"  # smimeCapabilities (RFC 8551 2.5.2)
_DECRYPT_KEY_ID = b"\x10\x02\x25"  # id-aa-decryptKeyID (RFC 4108 2.2.5)
_ASYMM_DECRYPT_KEY_ID = b"\x10\x02\x36"  # id-aa-asymmDecryptKeyID (RFC 7030 4.4.1.2)
_AES = b"\x60\x86\x48\x01\x65\x03\x04\x01"
# Last octets: AES-256 and AES-128 in CBC, and their key wrap; the best first.
_CBC = b"\x2a\x02"
_WRAP = b"\x2d\x05"
_ECDH = b"\x2b\x81\x04\x01\x0b\x01"  # dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753 7.1.4)


def symmetric(identifier, bits=256):
    """Return a list of Attributes (DER bytes) that ask for encryption with a shared AES key.

    identifier: bytes by which the server knows the key. bits: of the key, 256 or 128.
    """
    wrap = _WRAP[:1] if bits == 256 else _WRAP[1:]
    return [_identified(_DECRYPT_KEY_ID, identifier), _capabilities(_aes(_CBC) + _aes(wrap))]


def asymmetric(identifier):
    """Return a list of Attributes (DER bytes) that ask for encryption by ECDH to a P-256 key.

    identifier: bytes; of a certificate's key its subjectKeyIdentifier. keyUsage of that
    certificate has to allow keyAgreement, or be absent (RFC 7030 4.4.1.2).
    """
    agreements = [
        der_writer.tlv(
            der.SEQUENCE,
            der_writer.oid(_ECDH),
            der_writer.tlv(der.SEQUENCE, der_writer.oid(_AES + _WRAP[i : i + 1])),
        )
        for i in range(2)
    ]
    return [
        _identified(_ASYMM_DECRYPT_KEY_ID, identifier),
        _capabilities(_aes(_CBC) + agreements + _aes(_WRAP)),
    ]


def _identified(kind, identifier):
    return _attribute(kind, der_writer.tlv(der.OCTET_STRING, identifier))


def _capabilities(capabilities):
    return _attribute(_CAPABILITIES, der_writer.tlv(der.SEQUENCE, *capabilities))


def _attribute(kind, value):
    return der_writer.tlv(
        der.SEQUENCE, der_writer.oid(_ATTRIBUTE + kind), der_writer.tlv(der.SET, value)
    )


def _aes(lasts):
    """Return SMIMECapability objects for the AES algorithms with these last octets."""
    return [der_writer.tlv(der.SEQUENCE, der_writer.oid(_AES + bytes((last,)))) for last in lasts]
