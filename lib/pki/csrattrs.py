"""What a server wants in a request: CsrAttrs of RFC 7030 4.5.2, RFC 8951 section 4, RFC 9908.

Unknown OIDs and attributes are kept and otherwise passed over, as 4.5.2 demands. What follows for
the request is pki.csr_wishes' business.
"""

from est_errors import DerError
from micropython import const

from pki import der

_MOST_EXTENSIONS = const(64)
_EXTENSION_REQUEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
_CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"
_TEMPLATE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3d"  # RFC 9908 3.4


class CsrAttributes:
    """The parsed CsrAttrs.

    oids: list of the bare OIDs, as DER contents (bytes). attributes: list of (OID contents, list
    of DER values) in the order of the message. template: the pki.csr_template.Template of
    RFC 9908, or None; where there is one, nothing else of the message counts.
    """

    def __init__(self, message):
        """message: the DER of CsrAttrs (bytes-like); raises DerError."""
        self.oids = []
        self.attributes = []
        self.template = None
        reader = der.sequence(message)
        while reader.more():
            if reader.peek() == der.OID:
                self.oids.append(reader.oid())
                continue
            attribute = reader.enter()
            kind = attribute.oid()
            values = attribute.enter(der.SET)
            attribute.finish()
            found = []
            while values.more():
                found.append(bytes(values.element()))
            self.attributes.append((kind, found))
            if kind == _TEMPLATE:
                self._take_template(found)

    def _take_template(self, values):
        if self.template or len(values) != 1:
            raise DerError("more than one template, or an empty one (RFC 9908)")
        from pki.csr_template import Template

        self.template = Template(values[0])

    @property
    def wants_challenge_password(self):
        """True where the server wants the request linked to the TLS session (RFC 7030 3.5)."""
        if self.template:
            return self.template.wants_challenge_password
        if _CHALLENGE_PASSWORD in self.oids:
            return True
        return _CHALLENGE_PASSWORD in [kind for kind, _ in self.attributes]

    def extensions(self):
        """Return a list of (OID contents, critical, value octets or None) that is asked for.

        RFC 8951: an extensionRequest attribute carries the extensions whole. A bare OID in its
        place, as in the example of RFC 7030 4.5.2, says nothing that could be put into a request.
        """
        if self.template:
            return self.template.extensions
        found = []
        for kind, values in self.attributes:
            if kind != _EXTENSION_REQUEST:
                continue
            for value in values:
                if value[0] == der.SEQUENCE:
                    read_extensions(der.sequence(value), found)
        return found

    def as_text(self):
        """Return a list of str, one for each thing that is asked for, for people."""
        from pki import csrattrs_text

        return csrattrs_text.lines(self)


def read_extensions(reader, found):
    """Append (OID contents, critical, value octets or None) to found for each of Extensions.

    reader: a der.Reader inside of them. A value may be missing (RFC 9908, ExtensionTemplate).
    """
    while reader.more():
        extension = reader.enter()
        kind = extension.oid()
        critical = extension.peek() == der.BOOLEAN and extension.boolean()
        value = bytes(extension.take(der.OCTET_STRING)) if extension.more() else None
        extension.finish()
        if len(found) == _MOST_EXTENSIONS:
            raise DerError("more than %d extensions are asked for" % _MOST_EXTENSIONS)
        if kind in [known for known, _, _ in found]:
            raise DerError("the same extension is asked for twice")
        found.append((kind, critical, value))
