"""Whether a certificate is the EST server's (RFC 7030 3.6.1, RFC 6125 6.4): its name, or its role.

Only the subjectAltName counts: a certificate that names its host in the subject alone is refused,
although some TLS stacks take it.
"""

from est_errors import TrustError
from micropython import const

from pki import der, ip_address, oid

SERVER_AUTH = const(b"\x2b\x06\x01\x05\x05\x07\x03\x01")  # id-kp-serverAuth (RFC 5280 4.2.1.12)
_CMC_RA = b"\x2b\x06\x01\x05\x05\x07\x03\x1c"  # id-kp-cmcRA (RFC 6402 2.10)
_COMMON_NAME = b"\x55\x04\x03"
_DNS = 0x82
_IP = 0x87


def check(certificate, host):
    """Raise TrustError where the certificate (x509.Certificate) is not for host (str)."""
    names = certificate.extension(oid.SUBJECT_ALT_NAME)
    if names is None:
        raise TrustError("the server's certificate has no subjectAltName (RFC 6125)")
    address = ip_address.octets(host)
    wanted = host.lower().rstrip(".").encode()
    for tag, value in _hosts(names):
        if tag == _IP and address is not None and value == address:
            return
        if tag == _DNS and address is None and _same(value.lower(), wanted):
            return
    raise TrustError("the server's certificate is for another host name")


def is_registration_authority(certificate):
    """Return whether a certificate's extKeyUsage names id-kp-cmcRA (RFC 7030 3.6.1)."""
    usages = certificate.extension(oid.EXT_KEY_USAGE)
    reader = der.sequence(usages) if usages is not None else None
    while reader and reader.more():
        if reader.oid() == _CMC_RA:
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
    for tag, value in _hosts(names):
        if tag == _IP:
            return ip_address.text(value)
        try:
            return value.decode().replace("*", "ra")
        except (UnicodeError, ValueError):
            continue
    return None


def _hosts(names):
    """Yield (tag, octets) of each DNS name and IP address of a GeneralNames value."""
    reader = der.sequence(names)
    while reader.more():
        tag = reader.peek()
        if tag in (_DNS, _IP):
            yield tag, bytes(reader.take(tag))
        else:
            reader.element()


def _common_name(subject):
    reader = der.sequence(subject)
    while reader.more():
        rdn = reader.enter(der.SET)
        attribute = rdn.enter()
        if attribute.oid() == _COMMON_NAME:
            from pki import name

            return name.string(attribute)
    return None


def _same(pattern, host):
    """Compare DNS names; "*" may stand for the whole first label, above at least two others."""
    if pattern[:2] != b"*.":
        return pattern == host
    first, _, rest = host.partition(b".")
    return bool(first) and rest == pattern[2:] and b"." in rest
