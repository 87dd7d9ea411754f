"""PKCS #10 certification requests (RFC 2986), as RFC 7030 4.2.1 sends them."""

import hashlib

from pki import der, der_writer

_EXTENSION_REQUEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"  # RFC 2985 5.4.2


async def build(key, subject, san=(), key_usage=(), ext_key_usage=(), attributes=None, more=()):
    """Return the DER (bytes) of a request for `subject`, signed by `key`.

    key: a key as in pki.keys. subject: text such as "O=Acme,CN=pump 7", or a DER Name (bytes).
    san: texts as in general_name.encode, or the DER of GeneralNames. key_usage, ext_key_usage:
    their names in RFC 5280, or dotted OIDs for the latter. attributes: the server's
    csrattrs.CsrAttributes, which the request obeys (pki.csr_wishes says how). more: whole
    Attributes (DER bytes each), such as key_protection's. Raises ConfigError for arguments that
    make no request, KeyFault where the server demands another kind of key.
    """
    public = await key.public_key() if attributes else None
    from pki import csr_parts

    made = csr_parts.parts(subject, san, key_usage, ext_key_usage, attributes, public)
    return await signed(key, made[0], made[1], made[2] + list(more))


async def signed(key, subject, extensions, more=()):
    """Return the DER (bytes) of a request made of its parts, signed by `key`.

    The parts are pki.csr_parts': subject, DER Name; extensions, list of what extension() returns;
    more, DER Attributes.
    """
    public = await key.public_key()
    for i, (_, octets) in enumerate(extensions):
        if octets is None:  # the identifier of the key, which there was not when they were made
            from pki import cmc

            extensions[i] = cmc.identified(public)
    information = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(0),
        subject,
        public,
        # A SET OF: in ascending order (X.690 11.6).
        der_writer.tlv(
            der.CONSTRUCTED_CONTEXT, *sorted([_extension_request(extensions)] + list(more))
        ),
    )
    signature = await key.sign(hashlib.sha256(information).digest())
    return der_writer.tlv(
        der.SEQUENCE, information, key.signature_algorithm, der_writer.bit_string(signature)
    )


def extension(kind, critical, value):
    """Return (kind, DER Extension): kind, OID contents; critical, bool; value, its DER (bytes)."""
    flag = b"\x01\x01\xff" if critical else b""
    return kind, der_writer.tlv(
        der.SEQUENCE, der_writer.oid(kind), flag, der_writer.tlv(der.OCTET_STRING, value)
    )


def _extension_request(extensions):
    """Return the DER of the extensionRequest attribute, or nothing where there is none."""
    if not extensions:
        return b""
    wanted = der_writer.tlv(der.SEQUENCE, *[octets for _, octets in extensions])
    return der_writer.tlv(
        der.SEQUENCE, der_writer.oid(_EXTENSION_REQUEST), der_writer.tlv(der.SET, wanted)
    )
