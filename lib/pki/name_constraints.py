"""Name constraints of CA certificates (RFC 5280 4.2.1.10): DNS, IP, URI, e-mail, directory name.

Loaded only where a CA certificate has the extension. Constraints on other kinds of name are obeyed
by refusing any certificate that has a name of that kind.
"""

from est_errors import DerError, TrustError
from micropython import const

from pki import der, name_match, oid

_MOST = const(32768)  # octets of names that are compared: a second or two of a slow chip
_EMAIL = 0x81
_DNS = 0x82
_DIRECTORY = 0xA4
_URI = 0x86
_IP = 0x87
_EMAIL_ADDRESS = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"


def check(constraints, certificate):
    """Check the names of a certificate below a CA against the CA's constraints.

    constraints: the extension's value (bytes-like); certificate: x509.Certificate. Raises
    TrustError, DerError.
    """
    permitted, excluded = _parse(constraints)
    left = _MOST
    for tag, value in _names(certificate):
        # Each name with each constraint: what a CA could make quadratic.
        left -= len(constraints) + len(value) * (len(permitted) + len(excluded))
        if left < 0:
            raise TrustError("a certificate has too many names for its CA's constraints")
        allowed = [base for kind, base in permitted if kind == tag]
        if allowed and not any(_within(tag, value, base) for base in allowed):
            raise TrustError("a name in the certificate is outside of what its CA may issue for")
        for kind, base in excluded:
            if kind == tag and (
                _within(tag, value, base) is not False or _may_be(tag, value, base)
            ):
                raise TrustError("a name in the certificate is excluded by its CA's constraints")


def _parse(constraints):
    """Return (permitted, excluded): lists of (tag, value of the base)."""
    subtrees = ([], [])
    reader = der.sequence(constraints)
    if not reader.more():
        raise DerError("DER: empty name constraints")
    for i in (0, 1):
        if reader.peek() == der.CONSTRUCTED_CONTEXT + i:
            bases = reader.enter(der.CONSTRUCTED_CONTEXT + i)
            while bases.more():
                subtree = bases.enter()
                tag = subtree.peek()
                subtrees[i].append((tag, _value(subtree)))
                subtree.finish()  # RFC 5280: minimum is 0 and left out, maximum is absent
    reader.finish()
    return subtrees


def _names(certificate):
    """Yield (tag, value) of each name in a certificate that constraints are about."""
    if len(certificate.subject) > 2:
        yield _DIRECTORY, bytes(certificate.subject)
    alternative = certificate.extension(oid.SUBJECT_ALT_NAME)
    if alternative is None:
        # RFC 5280 4.2.1.10: then the e-mail addresses in the subject count.
        for rdn in name_match.rdns(certificate.subject):
            for kind, _, value in rdn:
                if kind == _EMAIL_ADDRESS:
                    yield _EMAIL, value
        return
    reader = der.sequence(alternative)
    while reader.more():
        tag = reader.peek()
        yield tag, _value(reader)


def _value(reader):
    """Read a GeneralName; return its contents, for a directoryName the DER of the Name."""
    tag = reader.peek()
    if tag is None:
        raise DerError("DER: a name is missing")
    if tag == _DIRECTORY:
        inner = reader.enter(tag)
        found = bytes(inner.element(der.SEQUENCE))
        inner.finish()
        return found
    return bytes(reader.element()) if tag & 0x20 else bytes(reader.take(tag))


def _within(tag, value, base):
    """Return whether a name lies in the subtree of a base; None for a kind that is not understood:
    always excluded, never permitted. Raises DerError where one is broken."""
    if tag == _DIRECTORY:
        wanted = name_match.rdns(base)
        return name_match.rdns(value)[: len(wanted)] == wanted
    if tag == _DNS:
        return _dns_within(_host(value), _host(base, False) if base else b"")
    if tag == _IP:
        return _ip_within(value, base)
    if tag == _EMAIL:
        return _email_within(value, base)
    if tag == _URI:
        return _uri_within(value, base)
    return None


def _may_be(tag, value, base):
    """Return whether a wildcard can stand for an excluded host."""
    above = base[base.find(b".") :].lower()
    return tag == _DNS and value[:1] == b"*" and value[1:].lower() == above


def _host(octets, wildcard=True):
    """Return a DNS name in lower case; DerError where it is none (RFC 1034 preferred syntax)."""
    text = octets.lower()
    labels = text.split(b".")
    if wildcard and labels[0] == b"*" and len(labels) > 1:
        labels = labels[1:]
    for label in labels:
        if not label or len(label) > 63 or label[0] == 0x2D or label[-1] == 0x2D:
            raise DerError("a DNS name in a certificate is malformed")
        for c in label:
            if not (0x61 <= c <= 0x7A or 0x30 <= c <= 0x39 or c in b"-_"):
                raise DerError("a DNS name in a certificate is malformed")
    return text


def _dns_within(host, base):
    return not base or host == base or host.endswith(b"." + base)


def _ip_within(address, base):
    if len(base) not in (8, 32) or len(address) not in (4, 16):
        raise DerError("an IP address in a certificate is malformed")
    half = len(base) // 2
    mask = int.from_bytes(base[half:], "big")
    inverted = mask ^ ((1 << 8 * half) - 1)
    if inverted & (inverted + 1):
        raise DerError("the mask of an IP name constraint has holes")
    if len(address) != half:
        return False
    return not any((address[i] ^ base[i]) & base[half + i] for i in range(half))


def _email_within(address, base):
    at = address.rfind(b"@")
    if at < 1 or at == len(address) - 1:
        raise DerError("an e-mail address in a certificate is malformed")
    local, host = address[:at], _host(address[at + 1 :], False)
    if base.find(b"@") > 0:
        at = base.rfind(b"@")
        # RFC 5280 7.5 compares the local part exactly, but an address of a subject comes here in
        # lower case, and who is excluded as Bob is not let in as bob.
        return local.lower() == base[:at].lower() and host == _host(base[at + 1 :], False)
    return _host_within(host, base)


def _host_within(host, base):
    """Return whether the host of an address or URI is a base's, or in its domain (".domain")."""
    if not base:  # nobody says so, but CAs exclude all with it
        return True
    if base[:1] == b".":
        return host.endswith(b"." + _host(base[1:], False))
    return host == _host(base, False)


def _uri_within(uri, base):
    _, slashes, rest = uri.partition(b"://")
    host = rest.split(b"/")[0].split(b"?")[0].split(b"#")[0]
    host = host[host.rfind(b"@") + 1 :].split(b":")[0].lower()
    if not slashes or not host or host.startswith(b"[") or host.rpartition(b".")[2].isdigit():
        raise DerError("a URI in a certificate has no host name for its CA's constraints")
    return _host_within(_host(host, False), base)
