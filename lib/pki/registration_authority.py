"""A registration authority's certificate stands for the EST server's name (RFC 7030 3.6.1)."""

from micropython import const

from pki import der, oid

_PURPOSES = const(b"\x2b\x06\x01\x05\x05\x07\x03")  # and 27 for id-kp-cmcCA, 28 for id-kp-cmcRA
_COMMON_NAME = const(b"\x55\x04\x03")
_IP = const(0x87)


def is_one(certificate, arc=28):
    """Return whether a certificate's extKeyUsage names id-kp-cmcRA (RFC 7030 3.6.1).

    arc: 27 for id-kp-cmcCA, a CA's key for CMC alone (RFC 6402 2.10).
    """
    usages = certificate.extension(oid.EXT_KEY_USAGE)
    reader = der.sequence(usages) if usages is not None else None
    while reader and reader.more():
        if reader.oid() == _PURPOSES + bytes((arc,)):
            return True
    return False


def own_name(certificate):
    """Return a name (str) for which a TLS stack takes this certificate, or None.

    A DNS name or IP address of the subjectAltName, with "ra" for a wildcard's "*"; or, where there
    is no subjectAltName, the common name.
    """
    names = certificate.extension(oid.SUBJECT_ALT_NAME)
    if names is None:
        return _common_name(certificate.subject)
    from pki import ip_address, server_name

    for tag, value in server_name.hosts(names):
        if tag == _IP:
            return ip_address.text(value)
        try:
            return value.decode().replace("*", "ra")
        except (UnicodeError, ValueError):
            continue
    return None


def _common_name(subject):
    reader = der.sequence(subject)
    while reader.more():
        rdn = reader.enter(der.SET)
        attribute = rdn.enter()
        if attribute.oid() == _COMMON_NAME:
            from pki import name

            return name.string(attribute)
    return None
