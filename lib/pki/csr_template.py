"""The template of a request in CsrAttrs: CertificationRequestInfoTemplate of RFC 9908 3.4.

It is only read here; pki.csr_wishes makes the request that follows from it.
"""

from est_errors import DerError

from pki import der, key_kind
from pki.csrattrs import read_extensions

_EXTENSION_REQUEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
_EXTENSION_TEMPLATE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3e"
_CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"


class Template:
    """The parsed template.

    subject: None where it says nothing of it, or a list of RDNs, each a list of (attribute type
    as OID contents, DER AttributeTypeAndValue or None where the client gives the value). key:
    None, or a kind as pki.key_kind has it. extensions: list of (OID contents, critical, value
    octets or None). attributes: other attributes with values, DER each. wants_challenge_password:
    whether the request is to be linked to TLS (RFC 7030 3.5).
    """

    def __init__(self, message):
        """message: the DER of the attribute's value (bytes-like); raises DerError."""
        self.subject = self.key = None
        self.extensions = []
        self.attributes = []
        self.wants_challenge_password = False
        reader = der.sequence(message)
        if reader.integer():
            raise DerError("a template of another version")
        if reader.peek() == der.SEQUENCE:
            self.subject = _subject(reader.enter())
        if reader.peek() == der.CONSTRUCTED_CONTEXT:
            self.key = _key(reader.enter(der.CONSTRUCTED_CONTEXT))
        if reader.peek() == der.CONSTRUCTED_CONTEXT + 1:
            attributes = reader.enter(der.CONSTRUCTED_CONTEXT + 1)
            while attributes.more():
                self._take(attributes.enter())
        reader.finish()

    def _take(self, attribute):
        kind = attribute.oid()
        values = attribute.enter(der.SET)
        attribute.finish()
        if kind == _CHALLENGE_PASSWORD:
            self.wants_challenge_password = True  # a value would be no link to this session
        elif kind in (_EXTENSION_REQUEST, _EXTENSION_TEMPLATE):
            while values.more():
                read_extensions(values.enter(), self.extensions)
        elif values.more():
            while values.more():
                values.element()
            self.attributes.append(bytes(attribute.raw))


def _subject(reader):
    rdns = []
    while reader.more():
        rdn = []
        parts = reader.enter(der.SET)
        while parts.more():
            part = parts.enter()
            kind = part.oid()
            given = None
            if part.more():
                part.element()
                part.finish()
                given = bytes(part.raw)
            rdn.append((kind, given))
        if not rdn:
            raise DerError("an empty RDN in the template")
        rdns.append(rdn)
    return rdns


def _key(reader):
    """Return (algorithm, what of it) of SubjectPublicKeyInfoTemplate."""
    algorithm = reader.enter()
    # RFC 9908 3.4: the placeholder key is there for its length.
    placeholder = reader.bit_string() if reader.more() else None
    reader.finish()
    return key_kind.described(algorithm, placeholder)
