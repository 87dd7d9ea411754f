"""Distinguished names (RFC 5280 4.1.2.4), to and from text.

Text is RFC 4514's with the RDNs in the order in which they are encoded: "C=CH,O=Acme,CN=pump 7".
A comma, plus or backslash inside a value is escaped with a backslash; "+" joins the parts of a
multi-valued RDN.
"""

from est_errors import ConfigError, DerError

from pki import der, oid

# Attribute types by their short names (RFC 4519, RFC 4514, RFC 2985, IEEE 802.1AR).
_TYPES = {
    "CN": b"\x55\x04\x03",
    "SN": b"\x55\x04\x04",
    "serialNumber": b"\x55\x04\x05",
    "C": b"\x55\x04\x06",
    "L": b"\x55\x04\x07",
    "ST": b"\x55\x04\x08",
    "street": b"\x55\x04\x09",
    "O": b"\x55\x04\x0a",
    "OU": b"\x55\x04\x0b",
    "title": b"\x55\x04\x0c",
    "postalCode": b"\x55\x04\x11",
    "GN": b"\x55\x04\x2a",
    "initials": b"\x55\x04\x2b",
    "generationQualifier": b"\x55\x04\x2c",
    "dnQualifier": b"\x55\x04\x2e",
    "pseudonym": b"\x55\x04\x41",
    "organizationIdentifier": b"\x55\x04\x61",
    "UID": b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01",
    "DC": b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19",
    "emailAddress": b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01",
}
_ALIASES = {"E": "emailAddress", "S": "ST", "GIVENNAME": "GN", "SURNAME": "SN"}
# Upper bounds of RFC 5280 A.1, in characters; others have 64 or none that matters here.
_BOUNDS = {"C": 2, "L": 128, "ST": 128, "title": 64, "emailAddress": 255, "postalCode": 40}
# These are PrintableString or IA5String by definition; everything else is UTF8String.
_PRINTABLE = ("C", "serialNumber", "dnQualifier")
_IA5 = ("DC", "emailAddress")


def encode(text):
    """Return the DER Name (bytes) of a text such as "O=Acme,CN=pump 7". Raises ConfigError."""
    rdns = []
    for rdn in _split(text, ","):
        attributes = [_attribute(part) for part in _split(rdn, "+")]
        rdns.append(der.set_of(attributes))
    return der.tlv(der.SEQUENCE, *rdns)


def decode(name):
    """Return the text (str) of a DER Name (bytes-like). Raises DerError."""
    rdns = []
    reader = der.sequence(name)
    while reader.more():
        rdn = reader.enter(der.SET)
        parts = []
        while rdn.more():
            attribute = rdn.enter()
            kind = attribute.oid()
            label = _label(kind)
            parts.append(label + "=" + _escape(_string(attribute)))
            attribute.finish()
        rdns.append("+".join(parts))
    return ",".join(rdns)


def _attribute(text):
    """Return the DER AttributeTypeAndValue of "CN=value"."""
    label, equals, value = text.partition("=")
    label = label.strip()
    value = _unescape(value.strip())
    if not equals or not label or not value:
        raise ConfigError("subject: %r is not NAME=value" % text)
    kind = _type(label)
    label = _label(kind)
    if len(value) > _BOUNDS.get(label, 64 if label in _TYPES else 32768):
        raise ConfigError("subject: the value of %s is too long" % label)
    if label == "C" and (len(value) != 2 or not value.isalpha()):
        raise ConfigError("subject: C is a two-letter country code")
    if label in _PRINTABLE:
        octets = ascii_octets(value, "subject " + label)
        for c in octets:
            if not chr(c).isalpha() and c not in b"0123456789 '()+,-./:=?":
                raise ConfigError("subject: %s has a character it may not have" % label)
        string = der.tlv(der.PRINTABLE_STRING, octets)
    elif label in _IA5:
        string = der.tlv(der.IA5_STRING, ascii_octets(value, "subject " + label))
    else:
        string = der.tlv(der.UTF8_STRING, value.encode())
    return der.tlv(der.SEQUENCE, der.oid(kind), string)


def _type(label):
    """Return the OID contents of a short name in any case, or of a dotted OID."""
    upper = label.upper()
    upper = _ALIASES.get(upper, label).upper()
    for name, contents in _TYPES.items():
        if name.upper() == upper:
            return contents
    if label[0].isdigit():
        return oid.encode(label)
    raise ConfigError(
        "subject: unknown attribute %s; known are %s" % (label, " ".join(sorted(_TYPES)))
    )


def _label(kind):
    for name, contents in _TYPES.items():
        if contents == kind:
            return name
    return oid.dotted(kind)


def _string(reader):
    """Read one of the string types of X.520 and return it as str."""
    tag = reader.peek()
    if tag is None:
        raise DerError("DER: a name without a value")
    if tag & 0x20:
        raise DerError("DER: a name's value is not a string")
    octets = bytes(reader.take(tag))
    if tag == der.BMP_STRING:
        return "".join(
            [chr(octets[i] << 8 | octets[i + 1]) for i in range(0, len(octets) & ~1, 2)]
        )
    if tag == der.T61_STRING:
        return "".join([chr(c) for c in octets])
    return utf8(octets)


def utf8(octets):
    """Return UTF-8 octets as str; DerError where they are none or hold a control character."""
    try:
        text = octets.decode()
    except (UnicodeError, ValueError):
        raise DerError("DER: a string is not UTF-8")
    for c in text:
        # What a name shows must not steer a terminal or forge a log line.
        if ord(c) < 32 or ord(c) == 127:
            raise DerError("DER: a control character in a name")
    return text


def ascii_octets(text, what):
    """Return printable ASCII text as bytes; ConfigError naming `what` where it is none."""
    octets = text.encode()
    for c in octets:
        if not 32 < c < 127 and not (c == 32 and what.startswith("subject ")):
            raise ConfigError("%s: only printable ASCII is allowed in %r" % (what, text))
    return octets


def _split(text, separator):
    """Split at separators that no backslash escapes; the escapes stay."""
    parts = []
    start = i = 0
    while i < len(text):
        if text[i] == "\\":
            i += 1
        elif text[i] == separator:
            parts.append(text[start:i])
            start = i + 1
        i += 1
    parts.append(text[start:])
    return parts


def _escape(value):
    out = []
    for c in value:
        out.append("\\" + c if c in ',+"\\<>;=' else c)
    return "".join(out)


def _unescape(value):
    out = []
    escaped = False
    for c in value:
        if c == "\\" and not escaped:
            escaped = True
            continue
        out.append(c)
        escaped = False
    return "".join(out)
