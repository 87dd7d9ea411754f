"""What a server wants in a request: CsrAttrs of RFC 7030 4.5.2 as RFC 8951 section 4 clarifies it.

Unknown OIDs and attributes are kept and otherwise passed over, as 4.5.2 demands.
"""

from pki import der, oid

_EXTENSION_REQUEST = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"
_CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"


class CsrAttributes:
    """The parsed CsrAttrs.

    oids: list of the bare OIDs, as DER contents (bytes). attributes: list of (OID contents, list
    of DER values) in the order of the message.
    """

    def __init__(self, message):
        """message: the DER of CsrAttrs (bytes-like); raises DerError."""
        self.oids = []
        self.attributes = []
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

    @property
    def wants_challenge_password(self):
        """True where the server wants the request linked to the TLS session (RFC 7030 3.5)."""
        return _CHALLENGE_PASSWORD in self.oids

    def extensions(self):
        """Return a list of (OID contents, DER Extension as bytes) that the server asks for.

        RFC 8951: an extensionRequest attribute carries the extensions whole. A bare OID in its
        place, as in the example of RFC 7030 4.5.2, says nothing that could be put into a request.
        """
        found = []
        for kind, values in self.attributes:
            if kind != _EXTENSION_REQUEST:
                continue
            for value in values:
                if value[0] != der.SEQUENCE:
                    continue
                extensions = der.sequence(value)
                while extensions.more():
                    extension = extensions.enter()
                    found.append((extension.oid(), bytes(extension.raw)))
        return found

    def as_text(self):
        """Return a list of str, one for each OID or attribute, for people."""
        lines = [oid.dotted(contents) for contents in self.oids]
        for kind, values in self.attributes:
            shown = []
            for value in values:
                reader = der.Reader(value)
                if value[0] == der.OID:
                    shown.append(oid.dotted(reader.oid()))
                else:
                    shown.append("(%d bytes)" % len(value))
            lines.append(oid.dotted(kind) + " = " + ", ".join(shown))
        return lines
