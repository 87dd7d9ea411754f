"""CsrAttrs in words, for people: what a server wants in a request."""

from binascii import hexlify

from est_errors import DerError, EstError
from micropython import const

from pki import (
    csr_parts,
    csr_wishes,
    der,
    der_writer,
    general_name,
    key_kind,
    key_wishes,
    name,
    oid,
    oid_text,
)

_NULL = const(0x05)
_LONGEST = const(64)  # characters of a value that are shown
_STRINGS = b"\x0c\x12\x13\x14\x16\x17\x18\x1a\x1e"  # tags of strings and times, X.680 8.6
_CERTIFICATE_POLICIES = b"\x55\x1d\x20"
_KNOWN = (
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07", "challengePassword"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e", "extensionRequest"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3d", "template of RFC 9908"),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", "ecdsa-with-SHA256"),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", "ecdsa-with-SHA384"),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", "ecdsa-with-SHA512"),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "sha256WithRSAEncryption"),
    (oid.SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier"),
    (oid.KEY_USAGE, "keyUsage"),
    (oid.SUBJECT_ALT_NAME, "subjectAltName"),
    (oid.BASIC_CONSTRAINTS, "basicConstraints"),
    (oid.EXT_KEY_USAGE, "extKeyUsage"),
    (_CERTIFICATE_POLICIES, "certificatePolicies"),
)


def lines(attributes):
    """Return a list of str, one for each thing that a csrattrs.CsrAttributes asks for."""
    if attributes.template:
        return _template(attributes.template)
    found = [_named(contents) for contents in attributes.oids]
    kinds = key_wishes.kinds(attributes)
    found.extend(["key: " + key_kind.text(kind) for kind in kinds])
    for kind, values in attributes.attributes:
        if kind in (key_kind.EC, key_kind.RSA):
            continue
        found.append(_named(kind) + ": " + ", ".join([_text(_value, value) for value in values]))
    return found + [_extension(*extension) for extension in attributes.extensions()]


def _template(template):
    found = []
    if template.subject is not None:
        parts = []
        for rdn in template.subject:
            parts.append("+".join([_part(kind, value) for kind, value in rdn]))
        found.append("subject: " + (",".join(parts) or "empty"))
    if template.key:
        found.append("key: " + key_kind.text(template.key))
    found.extend([_extension(*extension) for extension in template.extensions])
    if template.wants_challenge_password:
        found.append(_named(_KNOWN[0][0]))
    for raw in template.attributes:
        attribute = der.sequence(raw)
        kind = attribute.oid()
        values = attribute.enter(der.SET)
        shown = []
        while values.more():
            shown.append(_text(_value, values.element()))
        found.append(_named(kind) + ": " + ", ".join(shown))
    return found


def _part(kind, value):
    if value is None:
        return name.label(kind) + "=(yours)"
    return name.decode(der_writer.tlv(der.SEQUENCE, der_writer.tlv(der.SET, value)))


def _extension(kind, critical, value):
    """Return one extension in words."""
    shown = "(yours)" if value is None else _text(_READ.get(kind, _value), value)
    return "%s: %s%s" % (_named(kind), "critical, " if critical else "", shown)


def _text(read, value):
    """Return what read() makes of a DER value, or its size where that is nothing for people."""
    try:
        shown = read(value)
    except EstError:
        shown = ""
    if shown and (read != _value or len(shown) <= _LONGEST):
        return shown
    return "%d octets given" % len(value)


def _value(value):
    """Return a value of whatever type in words. Raises DerError where it has no simple one."""
    reader = der.Reader(value)
    tag = reader.peek()
    if tag == der.OID:
        shown = _named(reader.oid())
    elif tag == der.INTEGER:
        shown = str(reader.integer())
    elif tag == der.BOOLEAN:
        shown = "true" if reader.boolean() else "false"
    elif tag == der.OCTET_STRING:
        shown = hexlify(reader.take(tag)).decode()
    elif tag == _NULL:
        reader.take(tag)
        shown = "null"
    elif tag and tag in _STRINGS:
        shown = '"%s"' % name.string(reader)
    else:
        raise DerError("DER: no simple value")
    reader.finish()
    return shown


def _usages(value):
    bits = der.Reader(value).named_bits()
    return ", ".join(
        [csr_parts._KEY_USAGES[i] for i in range(len(csr_parts._KEY_USAGES)) if bits >> i & 1]
    )


def _purposes(value):
    shown = []
    reader = der.sequence(value)
    while reader.more():
        purpose = reader.oid()
        known = [
            text for text, contents in csr_parts._EXT_KEY_USAGES.items() if contents == purpose
        ]
        shown.append(known[0] if known else oid_text.dotted(purpose))
    return ", ".join(shown)


def _basic_constraints(value):
    reader = der.sequence(value)
    ca = reader.peek() == der.BOOLEAN and reader.boolean()
    shown = "a CA" if ca else "not a CA"
    if reader.more():
        shown += ", path length %d" % reader.integer()
    reader.finish()
    return shown


def _policies(value):
    shown = []
    reader = der.sequence(value)
    while reader.more():
        shown.append(oid_text.dotted(reader.enter().oid()))
    return ", ".join(shown)


def _names(value):
    shown = []
    reader = der.sequence(value)
    while reader.more():
        entry = bytes(reader.element())
        try:
            shown.extend(general_name.decode(der_writer.tlv(der.SEQUENCE, entry)))
        except EstError:  # an empty name, which the client fills in
            shown.append("%s(yours)" % csr_wishes.SAN_KINDS.get(entry[0], "other:"))
    return ", ".join(shown)


def _named(contents):
    for known, text in _KNOWN:
        if known == contents:
            return "%s (%s)" % (text, oid_text.dotted(contents))
    return oid_text.dotted(contents)


_READ = {  # what the value of an extension says
    oid.SUBJECT_ALT_NAME: _names,
    oid.KEY_USAGE: _usages,
    oid.EXT_KEY_USAGE: _purposes,
    oid.BASIC_CONSTRAINTS: _basic_constraints,
    _CERTIFICATE_POLICIES: _policies,
}
