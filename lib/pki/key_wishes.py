"""Which keys and signatures a CsrAttrs asks for (RFC 7030 4.5.2, RFC 8951 4, RFC 9908)."""

from est_errors import EstError, KeyFault

from pki import der, key_kind, oid_text

_ECDSA = b"\x2a\x86\x48\xce\x3d\x04"  # .3.2 is ecdsa-with-SHA256
_RSA_SIGNATURE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # .11 is sha256WithRSAEncryption
_SHA = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # .1 is SHA-256


def check(attributes, public):
    """Refuse what can never work: another algorithm, and with a template any other key.

    Arguments as in csr_wishes.obey(). Raises KeyFault, and DerError where the list is broken; each
    names the step csrattrs.
    """
    try:
        _check(attributes, _kind(public))
    except EstError as error:
        error.step = "csrattrs"
        raise


def _check(attributes, kind):
    wished = kinds(attributes)
    for wanted in wished:
        if key_kind.fits(wanted, kind) or (not attributes.template and wanted[0] == kind[0]):
            return
    if wished:
        raise KeyFault(
            "the server demands %s; this device's is %s"
            % (_listed(wished, _article), _article(kind))
        )


def unmet(attributes, public=None):
    """Return a list of texts: what the server lists and the request will not have, for a log.

    Arguments as in csr_wishes.obey().
    """
    if attributes.template:
        return []
    kind = _kind(public)
    wished = kinds(attributes)
    texts = []
    if wished and not [one for one in wished if key_kind.fits(one, kind)]:
        texts.append(_listed(wished, _article))
    listed = [contents for contents in attributes.oids if _signs(contents)]
    used = _ECDSA + b"\x03\x02" if kind[0] == key_kind.EC else _RSA_SIGNATURE + b"\x0b"
    if listed and used not in listed and _SHA + b"\x01" not in listed:
        texts.append("a signature by " + _listed(listed, oid_text.dotted))
    return texts


def _signs(contents):
    """Return whether an OID names a signature algorithm or a hash of the SHA-2 family."""
    if contents[:-1] == _RSA_SIGNATURE:
        return contents[-1] > 1
    return contents[:-1] == _SHA or contents[:-2] == _ECDSA


def kinds(attributes):
    """Return the kinds of key that the server lists (RFC 8951 4), as pki.key_kind has them."""
    if attributes.template:
        return [attributes.template.key] if attributes.template.key else []
    wished = [(one, None) for one in attributes.oids if one in (key_kind.EC, key_kind.RSA)]
    for kind, values in attributes.attributes:
        if kind not in (key_kind.EC, key_kind.RSA):
            continue
        if not values:
            wished.append((kind, None))
        for value in values:
            reader = der.Reader(value)
            if kind == key_kind.EC:
                wished.append((kind, reader.oid() if value[0] == der.OID else None))
            else:  # RFC 9908 5.4: the bits of the modulus
                short = value[0] == der.INTEGER and len(value) < 6
                wished.append((kind, reader.integer() if short else None))
    return wished


def _kind(public):
    return key_kind.of_key(public) if public else (key_kind.EC, key_kind.PRIME256V1)


def _listed(things, text):
    """Return the first few in words: the list is the server's."""
    return " or ".join([text(one) for one in things[:4]])


def _article(kind):
    text = key_kind.text(kind)
    return ("an %s key" if text[0] in "ER" else "a %s key") % text
