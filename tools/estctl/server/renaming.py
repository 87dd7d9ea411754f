"""The names that a renewal asks for: the attribute ChangeSubjectName (RFC 6402 2.8)."""

from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, ObjectIdentifier
from est_errors import EstError
from pki import csr as requests
from pki import der, der_writer, keys, oid, oid_text

from estctl.server.request_policy import RequestRefused, Wanted

_CHANGE_SUBJECT_NAME = ObjectIdentifier("1.3.6.1.5.5.7.7.36")
_EXTENSION_REQUEST = oid_text.encode("1.2.840.113549.1.9.14")


@dataclass(frozen=True)
class Names:
    """What is to change; None stays as it was."""

    subject: x509.Name | None
    san: x509.Extension[x509.ExtensionType] | None

    def applied(self, wanted: Wanted) -> Wanted:
        """Return what a request asks for, with these names."""
        if self.subject is not None:
            wanted = replace(wanted, subject=self.subject)
        if self.san is None:
            return wanted
        kept = (each for each in wanted.extensions if each.oid != self.san.oid)
        return replace(wanted, extensions=(*kept, self.san))


def asked(request: x509.CertificateSigningRequest) -> Names | None:
    """Return the names that a request wants to have; None: no change. Raises RequestRefused."""
    try:
        value = request.attributes.get_attribute_for_oid(_CHANGE_SUBJECT_NAME).value
    except x509.AttributeNotFound:
        return None
    except ValueError as error:
        raise RequestRefused(f"the request's attributes cannot be read: {error}") from None
    try:
        subject, san = _parts(value)
        return _read(request, subject, san)
    except (EstError, ValueError, x509.UnsupportedGeneralNameType) as error:
        raise RequestRefused(f"ChangeSubjectName cannot be read: {error}") from None


def _parts(value: bytes) -> tuple[bytes | None, bytes | None]:
    """Return the DER of subject and subjectAlt; both are a SEQUENCE, and either may be absent."""
    subject = san = None
    reader = der.Reader(value)
    first = bytes(reader.element(der.SEQUENCE))
    if der.sequence(first).peek() in (None, der.SET):  # of a Name
        subject = first
        san = bytes(reader.element(der.SEQUENCE)) if reader.more() else None
    else:
        san = first
    reader.finish()
    return subject, san


def _read(
    request: x509.CertificateSigningRequest, subject: bytes | None, san: bytes | None
) -> Names:
    """Let `cryptography` read the names: it takes them in a request."""
    attribute = b""
    if san is not None:
        extension = requests.extension(oid.SUBJECT_ALT_NAME, False, san)[1]
        extensions = der_writer.tlv(der.SET, der_writer.tlv(der.SEQUENCE, extension))
        attribute = der_writer.tlv(der.SEQUENCE, der_writer.oid(_EXTENSION_REQUEST), extensions)
    public = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    name = der_writer.tlv(der.SEQUENCE) if subject is None else subject
    parts = (
        der_writer.integer(0),
        name,
        public,
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, attribute),
    )
    algorithm = keys.SoftwareKey.signature_algorithm
    whole = der_writer.tlv(
        der.SEQUENCE, der_writer.tlv(der.SEQUENCE, *parts), algorithm, der_writer.bit_string(b"")
    )
    made = x509.load_der_x509_csr(whole)
    found = None
    if san is not None:
        found = made.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return Names(made.subject if subject is not None else None, found)
