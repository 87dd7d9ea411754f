"""PKCS #10 certification requests (RFC 2986), as RFC 7030 4.2.1 sends them."""

import hashlib

from est_errors import ConfigError

from pki import der, der_writer, oid, oid_text

_EXTENSION_REQUEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"  # RFC 2985 5.4.2

_KEY_USAGES = (
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
)
_EXT_KEY_USAGES = {  # RFC 5280 4.2.1.12: id-kp and a last arc
    "serverAuth": b"\x2b\x06\x01\x05\x05\x07\x03\x01",
    "clientAuth": b"\x2b\x06\x01\x05\x05\x07\x03\x02",
    "codeSigning": b"\x2b\x06\x01\x05\x05\x07\x03\x03",
    "emailProtection": b"\x2b\x06\x01\x05\x05\x07\x03\x04",
    "timeStamping": b"\x2b\x06\x01\x05\x05\x07\x03\x08",
    "OCSPSigning": b"\x2b\x06\x01\x05\x05\x07\x03\x09",
}


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
    made = parts(subject, san, key_usage, ext_key_usage, attributes, public)
    return await signed(key, made[0], made[1], made[2] + list(more))


def parts(subject, san=(), key_usage=(), ext_key_usage=(), attributes=None, public=None):
    """Return (subject, extensions, attributes), which signed() makes a request of.

    Arguments and errors as build()'s. public: the SubjectPublicKeyInfo (DER bytes); None: the key
    is still to be made, on P-256. A board does the one before the other, to save heap.
    """
    if isinstance(subject, str):
        from pki import name

        subject = name.encode(subject) if subject else der_writer.tlv(der.SEQUENCE)
    extensions = _extensions(subject, san, key_usage, ext_key_usage)
    more = []
    if attributes:
        from pki import csr_wishes

        subject, extensions, more = csr_wishes.obey(attributes, subject, extensions, public)
    if len(subject) == 2 and oid.SUBJECT_ALT_NAME not in [kind for kind, _ in extensions]:
        raise ConfigError("a request needs a subject or a subjectAltName")
    return subject, extensions, more


async def signed(key, subject, extensions, more=()):
    """Return the DER (bytes) of a request made of its parts, signed by `key`.

    subject: DER Name. extensions: list of what extension() returns. more: DER Attributes.
    """
    information = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(0),
        subject,
        await key.public_key(),
        # A SET OF: in ascending order (X.690 11.6).
        der_writer.tlv(
            der.CONSTRUCTED_CONTEXT, *sorted([_extension_request(extensions)] + list(more))
        ),
    )
    signature = await key.sign(hashlib.sha256(information).digest())
    return der_writer.tlv(
        der.SEQUENCE, information, key.signature_algorithm, der_writer.bit_string(signature)
    )


def _extensions(subject, san, key_usage, ext_key_usage):
    """Return a list of (OID contents, DER Extension)."""
    extensions = []
    if san:
        names = san if isinstance(san, (bytes, memoryview)) else _general_names(san)
        # RFC 5280 4.2.1.6: critical where it is the only name.
        extensions.append(extension(oid.SUBJECT_ALT_NAME, len(subject) == 2, names))
    if key_usage:
        bits = 0
        for usage in key_usage:
            if usage not in _KEY_USAGES:
                raise ConfigError("keyUsage %r: known are %s" % (usage, " ".join(_KEY_USAGES)))
            bits |= 1 << _KEY_USAGES.index(usage)
        extensions.append(extension(oid.KEY_USAGE, True, der_writer.named_bits(bits)))
    if ext_key_usage:
        usages = [
            der_writer.oid(_EXT_KEY_USAGES.get(usage) or oid_text.encode(usage))
            for usage in ext_key_usage
        ]
        extensions.append(
            extension(oid.EXT_KEY_USAGE, False, der_writer.tlv(der.SEQUENCE, *usages))
        )
    return extensions


def _general_names(texts):
    from pki import general_name

    return general_name.encode(texts)


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
