"""CsrAttrs in words, for people: what a server wants in a request."""

from est_errors import EstError

from pki import csr_wishes, der, general_name, key_kind, name, oid

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
)


def lines(attributes):
    """Return a list of str, one for each thing that a csrattrs.CsrAttributes asks for."""
    if attributes.template:
        return _template(attributes.template)
    found = [_named(contents) for contents in attributes.oids]
    kinds = csr_wishes.key_wishes(attributes)
    found.extend(["key: " + key_kind.text(kind) for kind in kinds])
    for kind, values in attributes.attributes:
        if kind in (key_kind.EC, key_kind.RSA):
            continue
        shown = [oid.dotted(der.Reader(value).oid()) for value in values if value[0] == der.OID]
        count = len(values) - len(shown)
        if count:
            shown.append("%d values" % count if count > 1 else "a value")
        found.append(_named(kind) + ": " + ", ".join(shown))
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
        found.append(_named(der.sequence(raw).oid()) + ": a value")
    return found


def _part(kind, value):
    if value is None:
        return name.label(kind) + "=(yours)"
    return name.decode(der.tlv(der.SEQUENCE, der.tlv(der.SET, value)))


def _extension(kind, critical, value):
    """Return one extension in words."""
    if value is None:
        shown = "(yours)"
    elif kind == oid.SUBJECT_ALT_NAME:
        shown = _names(value)
    else:
        shown = "%d octets given" % len(value)
    return "%s: %s%s" % (_named(kind), "critical, " if critical else "", shown)


def _names(value):
    shown = []
    reader = der.sequence(value)
    while reader.more():
        entry = bytes(reader.element())
        try:
            shown.extend(general_name.decode(der.tlv(der.SEQUENCE, entry)))
        except EstError:  # an empty name, which the client fills in
            shown.append("%s(yours)" % csr_wishes.SAN_KINDS.get(entry[0], "other:"))
    return ", ".join(shown)


def _named(contents):
    for known, text in _KNOWN:
        if known == contents:
            return "%s (%s)" % (text, oid.dotted(contents))
    return oid.dotted(contents)
