"""Whether a server's certificate is for a host name or address (RFC 7030 3.6.1, RFC 6125 6.4).

Only the subjectAltName counts: a certificate that names its host in the subject alone is refused,
although some TLS stacks take it.
"""

from est_errors import TrustError

from pki import der, ip_address, oid

_DNS = 0x82
_IP = 0x87


def check(certificate, host):
    """Raise TrustError where the certificate (x509.Certificate) is not for host (str)."""
    names = certificate.extension(oid.SUBJECT_ALT_NAME)
    if names is None:
        raise TrustError("the server's certificate has no subjectAltName (RFC 6125)")
    address = ip_address.octets(host)
    wanted = host.lower().rstrip(".").encode()
    reader = der.sequence(names)
    while reader.more():
        tag = reader.peek()
        if tag not in (_DNS, _IP):
            reader.element()
            continue
        value = bytes(reader.take(tag))
        if tag == _IP and address is not None and value == address:
            return
        if tag == _DNS and address is None and _same(value.lower(), wanted):
            return
    raise TrustError("the server's certificate is for another host name")


def _same(pattern, host):
    """Compare DNS names; "*" may stand for the whole first label, above at least two others."""
    if pattern[:2] != b"*.":
        return pattern == host
    first, _, rest = host.partition(b".")
    return bool(first) and rest == pattern[2:] and b"." in rest
