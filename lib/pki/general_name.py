"""Subject alternative names (RFC 5280 4.2.1.6), to and from text such as "dns:pump7.example"."""

from est_errors import ConfigError

from pki import der, der_writer, ip_address, name, oid_text

_OTHER_NAME = 0xA0
_GENERAL_NAMES = {"email": 0x81, "dns": 0x82, "uri": 0x86, "ip": 0x87, "rid": 0x88}
_HARDWARE_MODULE_NAME = b"\x2b\x06\x01\x05\x05\x07\x08\x04"  # id-on-hardwareModuleName, RFC 4108


def encode(entries):
    """Return the DER GeneralNames (bytes) of entries such as "dns:pump7.example".

    Kinds: dns, ip (v4 or v6), uri, email, rid (an OID), and hwmodule, which is the otherName
    hardwareModuleName of IEEE 802.1AR devices: "hwmodule:<OID of the type>:<serial, hex>".
    Raises ConfigError.
    """
    return der_writer.tlv(der.SEQUENCE, *[_general_name(entry) for entry in entries])


def decode(names):
    """Return a list of texts such as "dns:pump7.example" for DER GeneralNames (bytes-like)."""
    texts = []
    reader = der.sequence(names)
    while reader.more():
        tag = reader.peek()
        if tag == _OTHER_NAME:
            texts.append(_other_name_text(reader.enter(tag)))
            continue
        kind = None
        for label, number in _GENERAL_NAMES.items():
            if number == tag:
                kind = label
        if kind is None:
            reader.element()
            texts.append("other:%d" % (tag & 0x1F))
            continue
        value = bytes(reader.take(tag))
        if kind == "ip":
            text = ip_address.text(value)
        elif kind == "rid":
            text = oid_text.dotted(value)
        else:
            text = name.utf8(value)
        texts.append(kind + ":" + text)
    return texts


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
        octets = ip_address.octets(value)
        if octets is None:
            raise ConfigError("subjectAltName %r: not an IP address" % entry)
    elif kind == "rid":
        octets = oid_text.encode(value)
    else:
        octets = name.ascii_octets(value, "subjectAltName")
        if kind == "uri" and ":" not in value:
            raise ConfigError("subjectAltName %r: a URI begins with a scheme" % entry)
    return der_writer.tlv(tag, octets)


def _hardware_module_name(value):
    """Return the otherName of RFC 4108 5: the type's OID and the serial number's octets."""
    kind, _, serial = value.partition(":")
    try:
        octets = bytes([int(serial[i : i + 2], 16) for i in range(0, len(serial), 2)])
    except ValueError:
        octets = b""
    if not octets or len(serial) % 2:
        raise ConfigError("subjectAltName hwmodule: write hwmodule:<OID>:<serial in hex>")
    module = der_writer.tlv(
        der.SEQUENCE,
        der_writer.oid(oid_text.encode(kind)),
        der_writer.tlv(der.OCTET_STRING, octets),
    )
    return der_writer.tlv(
        _OTHER_NAME,
        der_writer.oid(_HARDWARE_MODULE_NAME),
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, module),
    )


def _other_name_text(reader):
    kind = reader.oid()
    value = reader.enter(der.CONSTRUCTED_CONTEXT)
    if kind != _HARDWARE_MODULE_NAME:
        return "othername:" + oid_text.dotted(kind)
    module = value.enter()
    hardware = oid_text.dotted(module.oid())
    serial = "".join(["%02x" % octet for octet in module.take(der.OCTET_STRING)])
    return "hwmodule:" + hardware + ":" + serial
