"""Distinguished names (RFC 5280 4.1.2.4) and subject alternative names (4.2.1.6), to and from text.

Text is RFC 4514's with the RDNs in the order in which they are encoded: "C=CH,O=Acme,CN=pump 7".
A comma, plus or backslash inside a value is escaped with a backslash; "+" joins a multi-valued RDN.
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

_OTHER_NAME = 0xA0
_GENERAL_NAMES = {"email": 0x81, "dns": 0x82, "uri": 0x86, "ip": 0x87, "rid": 0x88}
_HARDWARE_MODULE_NAME = b"\x2b\x06\x01\x05\x05\x07\x08\x04"  # id-on-hardwareModuleName, RFC 4108


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


def general_names(entries):
    """Return the DER GeneralNames (bytes) of entries such as "dns:pump7.example".

    Kinds: dns, ip (v4 or v6), uri, email, rid (an OID), and hwmodule, which is the otherName
    hardwareModuleName of IEEE 802.1AR devices: "hwmodule:<OID of the type>:<serial, hex>".
    Raises ConfigError.
    """
    return der.tlv(der.SEQUENCE, *[_general_name(entry) for entry in entries])


def general_names_text(names):
    """Return a list of texts such as "dns:pump7.example" for DER GeneralNames (bytes-like)."""
    texts = []
    reader = der.sequence(names)
    while reader.more():
        tag = reader.peek()
        if tag == _OTHER_NAME:
            texts.append(_other_name_text(reader.enter(tag)))
            continue
        kind = None
        for name, number in _GENERAL_NAMES.items():
            if number == tag:
                kind = name
        if kind is None:
            reader.element()
            texts.append("other:%d" % (tag & 0x1F))
            continue
        value = bytes(reader.take(tag))
        if kind == "ip":
            text = ip_text(value)
        elif kind == "rid":
            text = oid.dotted(value)
        else:
            text = _utf8(value)
        texts.append(kind + ":" + text)
    return texts


def ip_octets(text):
    """Return the 4 or 16 octets (bytes) of an IP address, or None where text is not one."""
    if ":" in text:
        return _ipv6_octets(text)
    parts = text.split(".")
    if len(parts) != 4:
        return None
    for part in parts:
        if not part.isdigit() or len(part) > 3 or int(part) > 255:
            return None
    return bytes([int(part) for part in parts])


def ip_text(octets):
    """Return the text of the 4 or 16 octets of an IP address (IPv6 without zero compression)."""
    if len(octets) == 4:
        return ".".join([str(octet) for octet in octets])
    if len(octets) == 16:
        pairs = [octets[i] << 8 | octets[i + 1] for i in range(0, 16, 2)]
        return ":".join(["%x" % pair for pair in pairs])
    raise DerError("DER: an IP address of %d octets" % len(octets))


def _ipv6_octets(text):
    halves = text.split("::")
    if len(halves) > 2:
        return None
    groups = [half.split(":") if half else [] for half in halves]
    missing = 8 - sum([len(group) for group in groups])
    if missing < 0 or (len(halves) == 1) != (missing == 0):
        return None
    words = groups[0] + ["0"] * missing + (groups[1] if len(halves) == 2 else [])
    out = bytearray()
    for word in words:
        try:
            value = int(word, 16)
        except ValueError:
            return None
        if len(word) > 4 or value < 0:
            return None
        out.append(value >> 8)
        out.append(value & 0xFF)
    return bytes(out)


def _general_name(entry):
    kind, _, value = entry.partition(":")
    kind = kind.lower()
    if kind == "hwmodule":
        return _hardware_module_name(value)
    tag = _GENERAL_NAMES.get(kind)
    if tag is None or not value:
        raise ConfigError(
            "subjectAltName %r: write dns:, ip:, uri:, email:, rid: or hwmodule: and a value"
            % entry
        )
    if kind == "ip":
        octets = ip_octets(value)
        if octets is None:
            raise ConfigError("subjectAltName %r: not an IP address" % entry)
    elif kind == "rid":
        octets = oid.encode(value)
    else:
        octets = _ascii(value, "subjectAltName")
        if kind == "uri" and ":" not in value:
            raise ConfigError("subjectAltName %r: a URI begins with a scheme" % entry)
    return der.tlv(tag, octets)


def _hardware_module_name(value):
    """Return the otherName of RFC 4108 5: the type's OID and the serial number's octets."""
    kind, _, serial = value.partition(":")
    try:
        octets = bytes([int(serial[i : i + 2], 16) for i in range(0, len(serial), 2)])
    except ValueError:
        octets = b""
    if not octets or len(serial) % 2:
        raise ConfigError("subjectAltName hwmodule: write hwmodule:<OID>:<serial in hex>")
    module = der.tlv(der.SEQUENCE, der.oid(oid.encode(kind)), der.tlv(der.OCTET_STRING, octets))
    return der.tlv(
        _OTHER_NAME, der.oid(_HARDWARE_MODULE_NAME), der.tlv(der.CONSTRUCTED_CONTEXT, module)
    )


def _other_name_text(reader):
    kind = reader.oid()
    value = reader.enter(der.CONSTRUCTED_CONTEXT)
    if kind != _HARDWARE_MODULE_NAME:
        return "othername:" + oid.dotted(kind)
    module = value.enter()
    hardware = oid.dotted(module.oid())
    serial = "".join(["%02x" % octet for octet in module.take(der.OCTET_STRING)])
    return "hwmodule:" + hardware + ":" + serial


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
        octets = _ascii(value, "subject " + label)
        for c in octets:
            if not chr(c).isalpha() and c not in b"0123456789 '()+,-./:=?":
                raise ConfigError("subject: %s has a character it may not have" % label)
        string = der.tlv(der.PRINTABLE_STRING, octets)
    elif label in _IA5:
        string = der.tlv(der.IA5_STRING, _ascii(value, "subject " + label))
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
    return _utf8(octets)


def _utf8(octets):
    try:
        text = octets.decode()
    except (UnicodeError, ValueError):
        raise DerError("DER: a string is not UTF-8")
    for c in text:
        # What a name shows must not steer a terminal or forge a log line.
        if ord(c) < 32 or ord(c) == 127:
            raise DerError("DER: a control character in a name")
    return text


def _ascii(text, what):
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
