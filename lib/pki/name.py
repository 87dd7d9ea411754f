"""Distinguished names (RFC 5280 4.1.2.4), to and from text.

Text is RFC 4514's with the RDNs in the order in which they are encoded: "C=CH,O=Acme,CN=pump 7".
A comma, plus or backslash inside a value is escaped with a backslash; "+" joins the parts of a
multi-valued RDN.
"""

from binascii import hexlify

from est_errors import ConfigError, DerError
from micropython import const

from pki import der, der_writer, oid_text

_UTF8 = const(0x0C)
_PRINTABLE = const(0x13)
_IA5 = const(0x16)
_WIDE = const((0x14, 0x1C, 0x1E))  # TeletexString, UniversalString, BMPString

# Attribute types (RFC 4519, RFC 4514, RFC 2985, IEEE 802.1AR): short name, OID contents, most
# characters (RFC 5280 A.1), string type. Bytes, because MicroPython never frees an interned str.
_TYPES = (
    (b"CN", b"\x55\x04\x03", 64, _UTF8),
    (b"SN", b"\x55\x04\x04", 64, _UTF8),
    (b"serialNumber", b"\x55\x04\x05", 64, _PRINTABLE),
    (b"C", b"\x55\x04\x06", 2, _PRINTABLE),
    (b"L", b"\x55\x04\x07", 128, _UTF8),
    (b"ST", b"\x55\x04\x08", 128, _UTF8),
    (b"street", b"\x55\x04\x09", 128, _UTF8),
    (b"O", b"\x55\x04\x0a", 64, _UTF8),
    (b"OU", b"\x55\x04\x0b", 64, _UTF8),
    (b"title", b"\x55\x04\x0c", 64, _UTF8),
    (b"postalCode", b"\x55\x04\x11", 40, _UTF8),
    (b"GN", b"\x55\x04\x2a", 64, _UTF8),
    (b"initials", b"\x55\x04\x2b", 64, _UTF8),
    (b"generationQualifier", b"\x55\x04\x2c", 64, _UTF8),
    (b"dnQualifier", b"\x55\x04\x2e", 64, _PRINTABLE),
    (b"pseudonym", b"\x55\x04\x41", 128, _UTF8),
    (b"organizationIdentifier", b"\x55\x04\x61", 256, _UTF8),
    (b"UID", b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01", 256, _UTF8),
    (b"DC", b"\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19", 63, _IA5),
    (b"emailAddress", b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01", 255, _IA5),
)
_ALIASES = ((b"e", b"emailaddress"), (b"s", b"st"), (b"givenname", b"gn"), (b"surname", b"sn"))


def encode(text):
    """Return the DER Name (bytes) of a text such as "O=Acme,CN=pump 7". Raises ConfigError."""
    rdns = []
    for rdn in _split(text, ","):
        attributes = [_attribute(part) for part in _split(rdn, "+")]
        rdns.append(der_writer.set_of(attributes))
    return der_writer.tlv(der.SEQUENCE, *rdns)


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
            parts.append(label(kind) + "=" + _escape(string(attribute)))
            attribute.finish()
        rdns.append("+".join(parts))
    return ",".join(rdns)


def text(name):
    """Return the text (str) of a DER Name for a message: where it has none, its octets."""
    try:
        return decode(name)
    except DerError:
        return hexlify(bytes(name[:64])).decode()


def _attribute(text):
    """Return the DER AttributeTypeAndValue of "CN=value"."""
    label, equals, value = text.partition("=")
    label = label.strip()
    value = _unescape(value.strip())
    if not equals or not label or not value:
        raise ConfigError("subject: %r is not NAME=value" % text)
    kind, most, tag = _type(label)
    if len(value) > most:
        raise ConfigError("subject: the value of %s is too long" % label)
    if most == 2 and (len(value) != 2 or not value.isalpha()):
        raise ConfigError("subject: C is a two-letter country code")
    octets = value.encode() if tag == _UTF8 else ascii_octets(value, "subject " + label)
    if tag == _PRINTABLE:
        for c in octets:
            if not chr(c).isalpha() and c not in b"0123456789 '()+,-./:=?":
                raise ConfigError("subject: %s has a character it may not have" % label)
    return der_writer.tlv(der.SEQUENCE, der_writer.oid(kind), der_writer.tlv(tag, octets))


def _type(label):
    """Return (OID contents, most characters, string type) of a short name or a dotted OID."""
    wanted = label.lower().encode()
    for alias, full in _ALIASES:
        if alias == wanted:
            wanted = full
    for short, contents, most, tag in _TYPES:
        if short.lower() == wanted:
            return contents, most, tag
    if label[0].isdigit():
        contents = oid_text.encode(label)
        for _, known, most, tag in _TYPES:
            if known == contents:
                return contents, most, tag
        return contents, 32768, _UTF8
    known = b" ".join([short for short, _, _, _ in _TYPES]).decode()
    raise ConfigError("subject: unknown attribute %s; known are %s" % (label, known))


def label(kind):
    """Return the short name (str) of an attribute type (OID contents), or its dotted OID."""
    for short, contents, _, _ in _TYPES:
        if contents == kind:
            return short.decode()
    return oid_text.dotted(kind)


def string(reader):
    """Read one of the string types of X.520 and return it as str."""
    tag = reader.peek()
    if tag is None:
        raise DerError("DER: a name without a value")
    if tag & 0x20:
        raise DerError("DER: a name's value is not a string")
    octets = bytes(reader.take(tag))
    if tag in _WIDE:
        from pki import name_match

        octets = name_match.narrowed(octets, tag)
    return utf8(octets)


def utf8(octets):
    """Return UTF-8 octets as str; DerError where they are none or hold a control character."""
    try:
        text = octets.decode()
    except (UnicodeError, ValueError):
        raise DerError("DER: a string is not UTF-8")
    size = 0
    for c in text:
        code = ord(c)
        size += 1 + (code > 0x7F) + (code > 0x7FF) + (code > 0xFFFF)
        # What a name shows must not steer a terminal or forge a log line (C0 and C1 controls).
        if code < 32 or 127 <= code < 160:
            raise DerError("DER: a control character in a name")
        # MicroPython decodes halves of surrogate pairs, and more than Unicode has.
        if 0xD800 <= code < 0xE000 or code > 0x10FFFF:
            size = -1
            break
    if size != len(octets):  # or longer forms of a character than its own
        raise DerError("DER: a string is not UTF-8")
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
