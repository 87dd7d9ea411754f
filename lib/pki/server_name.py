"""Whether a certificate is the EST server's (RFC 7030 3.6.1, RFC 6125 6.4), by its name.

Only the subjectAltName counts: a certificate that names its host in the subject alone is refused,
although some TLS stacks take it.
"""

from est_errors import TrustError
from micropython import const

from pki import der, ip_address, oid

SERVER_AUTH = const(b"\x2b\x06\x01\x05\x05\x07\x03\x01")  # id-kp-serverAuth (RFC 5280 4.2.1.12)
_DNS = const(0x82)
_IP = const(0x87)


def check(certificate, host):
    """Raise TrustError where the certificate (x509.Certificate) is not for host (str)."""
    names = certificate.extension(oid.SUBJECT_ALT_NAME)
    if names is None:
        raise TrustError("the server's certificate has no subjectAltName (RFC 6125)")
    address = ip_address.octets(host)
    wanted = host.lower().rstrip(".").encode()
    for tag, value in hosts(names):
        if tag == _IP and address is not None and value == address:
            return
        if tag == _DNS and address is None and _same(value.lower(), wanted):
            return
    raise TrustError("the server's certificate is for another host name")


def hosts(names):
    """Yield (tag, octets) of each DNS name and IP address of a GeneralNames value."""
    reader = der.sequence(names)
    while reader.more():
        tag = reader.peek()
        if tag in (_DNS, _IP):
            yield tag, bytes(reader.take(tag))
        else:
            reader.element()


def _same(pattern, host):
    """Compare DNS names; "*" may stand for the whole first label, above at least two others."""
    if pattern[:2] != b"*.":
        return pattern == host
    first, _, rest = host.partition(b".")
    return bool(first) and rest == pattern[2:] and b"." in rest
