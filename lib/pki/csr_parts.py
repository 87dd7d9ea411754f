"""What a certification request holds beside the key. Not needed any more when pki.csr signs it."""

from est_errors import ConfigError
from heap import forget

from pki import der, der_writer, oid, oid_text
from pki.csr import extension

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


def parts(subject, san=(), key_usage=(), ext_key_usage=(), attributes=None, public=None):
    """Return (subject, extensions, attributes), which csr.signed() makes a request of.

    Arguments and errors as csr.build()'s. public: the SubjectPublicKeyInfo (DER bytes); None: the
    key is still to be made, on P-256. A board does the one before the other, to save heap; then
    None may stand for a subjectKeyIdentifier: see csr_wishes.obey().
    """
    if isinstance(subject, str):
        from pki import name

        subject = name.encode(subject) if subject else der_writer.tlv(der.SEQUENCE)
        del name
    extensions = _extensions(subject, san, key_usage, ext_key_usage)
    more = []
    if attributes:  # one after the other: it is much for a small heap
        forget("pki.name")
        from pki import key_wishes

        key_wishes.check(attributes, public)
        del key_wishes
        forget("pki.key_wishes", "pki.oid_text")
        from pki import csr_wishes

        subject, extensions, more = csr_wishes.obey(attributes, subject, extensions, public)
    if len(subject) == 2 and oid.SUBJECT_ALT_NAME not in [kind for kind, _ in extensions]:
        raise ConfigError("a request needs a subject or a subjectAltName")
    return subject, extensions, more


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
