"""What follows for a request from the server's CsrAttrs (RFC 7030 4.5.2, RFC 8951 4, RFC 9908).

An extension whose value the server gives goes in as it is, whatever the caller had for it; one
without a value is supplied: from the caller's arguments, or with what is usual. With a template
the same holds for the subject and the kind of key, and what it asks for and cannot be supplied is
an error. Without one the message is advice: only what can never work is an error.
"""

from est_errors import ConfigError, DerError, EstError

from pki import csr, der, der_writer, oid
from pki.csrattrs import read_extensions

_DIRECTORY_NAME = 0xA4


def obey(attributes, subject, extensions, public):
    """Return (subject, extensions, attributes) of the request that the server wants.

    attributes: a csrattrs.CsrAttributes. subject: the caller's Name (DER). extensions: the
    caller's, a list of (OID contents, DER Extension). public: the key's SubjectPublicKeyInfo
    (DER), or None for one on P-256 that is still to be made. What is returned has the same forms;
    the attributes are a list of DER, and None stands for a subjectKeyIdentifier of a key that is
    not made yet: pki.cmc.identified() makes it. The key has been looked at: see pki.key_wishes.
    Raises ConfigError naming what the caller has to give; each error names the step csrattrs.
    """
    try:
        return _obeyed(attributes, subject, extensions, public)
    except EstError as error:
        error.step = "csrattrs"
        raise


def _obeyed(attributes, subject, extensions, public):
    template = attributes.template
    wanted = attributes.extensions()
    made = _supplied(wanted, extensions, subject, public, template is not None)
    kinds = [kind for kind, _ in made]
    made = [pair for pair in extensions if pair[0] not in kinds] + made
    more = []
    if template:
        more = template.attributes
        if template.subject is not None:
            subject = _filled(template.subject, subject)
    return subject, made, more


def _filled(rdns, subject):
    """Return the Name (DER) of a template, its gaps filled from the caller's Name."""
    given = [value for rdn in rdns for _, value in rdn if value]
    own = []
    reader = der.sequence(subject)
    while reader.more():
        rdn = reader.enter(der.SET)
        while rdn.more():
            part = rdn.enter()
            if bytes(part.raw) not in given:
                own.append((part.oid(), bytes(part.raw)))
    out = []
    for rdn in rdns:
        out.append(der_writer.set_of([value or _own(kind, own) for kind, value in rdn]))
    return der_writer.tlv(der.SEQUENCE, *out)


def _own(kind, own):
    """Take the caller's next attribute of a type (RFC 9908: the value is the client's)."""
    for i in range(len(own)):
        if own[i][0] == kind:
            return own.pop(i)[1]
    from pki import name

    raise ConfigError(
        "the server wants %s in the subject: give a subject that has it" % name.label(kind)
    )


def _supplied(wanted, extensions, subject, public, demanded):
    """Return a list of (OID contents, DER Extension): those wanted, each with a value."""
    own = {}
    for kind, extension in extensions:
        found = []
        read_extensions(der.Reader(extension), found)
        own[kind] = found[0][2]
    made = []
    for kind, critical, value in wanted:
        if kind == oid.SUBJECT_ALT_NAME and value is not None:
            value = _names(value, own.get(kind), subject)
        elif value is None:
            value = own.get(kind) or _usual(kind)
        if value is None and kind == oid.SUBJECT_KEY_IDENTIFIER:
            if public:
                from pki import cmc

                made.append(cmc.identified(public))
            else:
                made.append((kind, None))
        elif value is not None:
            made.append(csr.extension(kind, critical, value))
        elif demanded:
            raise ConfigError(_without(kind))
    return made


def _usual(kind):
    """Return the value of an extension that the caller does not give, or None."""
    if kind == oid.KEY_USAGE:
        return der_writer.named_bits(1)  # digitalSignature
    if kind == oid.EXT_KEY_USAGE:
        return der_writer.tlv(
            der.SEQUENCE, der_writer.oid(b"\x2b\x06\x01\x05\x05\x07\x03\x02")
        )  # clientAuth
    if kind == oid.BASIC_CONSTRAINTS:
        return der_writer.tlv(der.SEQUENCE)  # no CA
    return None


def _without(kind):
    if kind == oid.SUBJECT_ALT_NAME:
        return "the server wants a subjectAltName: give san"
    from pki import oid_text

    return (
        "the server wants the extension %s, for which this device has no value"
        % oid_text.dotted(kind)
    )


SAN_KINDS = {0x81: "email:", 0x82: "dns:", 0x86: "uri:", 0x87: "ip:", 0x88: "rid:"}


def _names(value, own, subject):
    """Return GeneralNames (DER) in which the empty ones of value are the caller's.

    own: the caller's GeneralNames (DER) or None; subject: the caller's Name, for a directoryName.
    """
    out = []
    filled = []
    reader = der.sequence(value)
    while reader.more():
        tag = reader.peek()
        entry = bytes(reader.element())
        # A directoryName is explicitly tagged: empty is a Name without RDNs, or nothing at all.
        if not (entry[1] == 0 or (tag == _DIRECTORY_NAME and entry[2:] == b"\x30\x00")):
            out.append(entry)
        elif tag not in filled:
            filled.append(tag)
            out.extend(_own_names(tag, own, subject))
    if not out:
        raise DerError("a subjectAltName without names")
    return der_writer.tlv(der.SEQUENCE, *out)


def _own_names(tag, own, subject):
    """Return the caller's names of one kind, DER each (RFC 9908: the client fills them in)."""
    found = []
    if own:
        reader = der.sequence(own)
        while reader.more():
            if reader.peek() == tag:
                found.append(bytes(reader.element()))
            else:
                reader.element()
    if tag == _DIRECTORY_NAME and not found and len(subject) > 2:
        found.append(der_writer.tlv(tag, subject))
    if not found:
        raise ConfigError(
            "the server wants a subjectAltName %s: give it in san"
            % SAN_KINDS.get(tag, "directoryName, which is the subject")
        )
    return found
