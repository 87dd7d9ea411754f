"""The request that renews a certificate or gives it a new key (RFC 7030 4.2.2)."""

from pki import csr, der, der_writer, name, oid, x509

# id-cmc-changeSubjectName (RFC 6402 2.8)
_CHANGE_SUBJECT_NAME = b"\x2b\x06\x01\x05\x05\x07\x07\x24"
_COPIED = (oid.SUBJECT_ALT_NAME, oid.KEY_USAGE, oid.EXT_KEY_USAGE)


def parts(old_certificate):
    """Return (subject, extensions) of a request that renews old_certificate (DER bytes).

    Subject and subjectAltName are the certificate's, octet for octet, and so are keyUsage and
    extKeyUsage: a Name (DER), and a list of Extensions (DER bytes each). Raises DerError.
    """
    certificate = x509.Certificate(old_certificate)
    extensions = []
    for kind, critical, value in certificate.extensions():
        if kind in _COPIED:
            extensions.append(csr.extension(kind, critical, value))
    return certificate.subject, extensions


async def build(key, old_certificate, new_subject=None, new_san=None, more=()):
    """Return the DER (bytes) of a request that renews old_certificate (DER), signed by `key`.

    What it names is what parts() gives. key: the old one or a new one, as in pki.keys.
    new_subject: text or DER Name that the next certificate is to have, new_san: texts as in
    general_name.encode, or DER GeneralNames; None: no change. They go into the attribute
    ChangeSubjectName, which the server may refuse. more: further Attributes (DER bytes each).
    Raises ConfigError, DerError.
    """
    subject, extensions = parts(old_certificate)
    if new_subject is not None or new_san:
        more = list(more) + [change_of_names(new_subject, new_san)]
    return await csr.signed(key, subject, extensions, more)


def change_of_names(subject, san):
    """Return the attribute ChangeSubjectName (DER bytes); arguments as in build()."""
    parts = []
    if subject is not None:
        if isinstance(subject, str):
            subject = name.encode(subject) if subject else der_writer.tlv(der.SEQUENCE)
        parts.append(subject)
    if san:
        from pki import general_name

        octets = isinstance(san, (bytes, memoryview))
        parts.append(san if octets else general_name.encode(san))
    wanted = der_writer.tlv(der.SEQUENCE, *parts)
    return der_writer.tlv(
        der.SEQUENCE, der_writer.oid(_CHANGE_SUBJECT_NAME), der_writer.tlv(der.SET, wanted)
    )
