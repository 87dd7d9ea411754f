"""Certificate revocation lists (RFC 5280 section 5), searched for one certificate as they arrive.

A CRL is never held: it runs through a fixed buffer once, is hashed on the way, and what is kept is
its issuer, its dates, its extensions, its signature and the one entry that was looked for. Nothing
of that may be believed before pki.revocation has verified the signature.
"""

import est_limits
from est_errors import DerError, LimitError, TrustError
from micropython import const

from pki import algorithms, der, der_stream, name_match, oid, oid_text, x509

_UTC_TIME = const(0x17)
_GENERALIZED_TIME = const(0x18)
_ENUMERATED = const(0x0A)
_DIRECTORY_NAME = const(0xA4)
_MOST_ALGORITHM = const(128)  # bytes; RSASSA-PSS has 67
_MOST_NAME = const(1024)  # bytes of the issuer's name
_MOST_EXTENSIONS = const(2048)  # bytes; the largest seen, with LDAP addresses, have 600
_MOST_SIGNATURE = const(520)  # bytes; RSA-4096 has 517

# CRL extensions (5.2) and entry extensions (5.3).
_CRL_NUMBER = b"\x55\x1d\x14"
_REASON_CODE = b"\x55\x1d\x15"
_DELTA_CRL_INDICATOR = b"\x55\x1d\x1b"
_ISSUING_DISTRIBUTION_POINT = b"\x55\x1d\x1c"
_CERTIFICATE_ISSUER = b"\x55\x1d\x1d"
_FRESHEST_CRL = b"\x55\x1d\x2e"
# An entry's extensions that are a reason and nothing else, without the reason itself.
_ONLY_REASON = b"\x30\x0c\x30\x0a\x06\x03\x55\x1d\x15\x04\x03\x0a\x01"

REMOVE_FROM_CRL = const(8)  # a reason code (5.3.1), in delta CRLs


class Crl:
    """What a scan found in a CRL.

    issuer: DER Name; algorithm: AlgorithmIdentifier DER; digest, signature: bytes. this_update:
    Unix seconds; next_update: the same, or None. number, base: int of crlNumber and of
    deltaCRLIndicator, or None. scope: value of issuingDistributionPoint, freshest: of freshestCRL,
    authority_key: the identifier in authorityKeyIdentifier; each bytes or None. entry: (reason
    code, Unix seconds) of the certificate that was looked for, or None. names_issuers: whether an
    entry names another certificate issuer (indirect CRLs).
    """

    def __init__(self):
        self.issuer = self.algorithm = self.digest = self.signature = None
        self.this_update = self.next_update = None
        self.number = self.base = self.scope = self.freshest = self.authority_key = None
        self.entry = None
        self.names_issuers = False


async def scan(source, view, issuer, serial, accept=None, limits=est_limits):
    """Read a DER CertificateList to its end and return its Crl.

    source: object with `async readinto(view) -> count`, 0 at the end. view: memoryview of a
    buffer, of at least 512 bytes. issuer: DER Name and serial: the INTEGER's octets, of the
    certificate that is looked for; bytes-like. accept: function of the Crl that is called once
    issuer and dates are known, and raises a TrustError to stop there. limits: see est_limits;
    MAX_CRL bytes are read at most. Raises DerError, LimitError, TrustError where the CRL has a
    critical extension or an algorithm that is not known, and what source raises.
    """
    stream = der_stream.DerStream(source, view, limits.MAX_CRL)
    end = _end(stream, await stream.enter(der.SEQUENCE))
    crl = Crl()
    await _list(stream, crl, _Wanted(issuer, serial, crl), accept, limits)
    if await stream.copy(der.SEQUENCE, _MOST_ALGORITHM) != crl.algorithm:
        raise DerError("CRL: it names two different signature algorithms")
    octets = der.Reader(await stream.copy(der.BIT_STRING, _MOST_SIGNATURE))
    crl.signature = octets.bit_string()
    if stream.at != end:
        raise DerError("CRL: its parts are not as long as it says")
    await stream.finish()
    return crl


def _end(stream, length):
    return stream.at + length


async def _list(stream, crl, wanted, accept, limits):
    """Read tbsCertList (5.1.2)."""
    stream.hash_from_here()
    end = _end(stream, await stream.enter(der.SEQUENCE))
    version = 1
    if await stream.peek() == der.INTEGER:
        version = 1 + der.Reader(await stream.take(der.INTEGER)).integer()
        if version != 2:
            raise DerError("CRL: version %d" % version)
    crl.algorithm = await stream.copy(der.SEQUENCE, _MOST_ALGORITHM)
    stream.start_hash(algorithms.hash_number(crl.algorithm, limits))
    crl.issuer = await stream.copy(der.SEQUENCE, _MOST_NAME)
    crl.this_update = await _time(stream, await stream.peek())
    tag = await stream.peek()
    if tag in (_UTC_TIME, _GENERALIZED_TIME):
        crl.next_update = await _time(stream, tag)
    if accept:
        accept(crl)
    wanted.begin()
    if stream.at < end and await stream.peek() == der.SEQUENCE:
        await _entries(stream, wanted)
    if stream.at < end:
        if version == 1:
            raise DerError("CRL: extensions in a CRL of version 1")
        _extensions(await stream.copy(der.CONSTRUCTED_CONTEXT, _MOST_EXTENSIONS), crl)
    if stream.at != end:
        raise DerError("CRL: its parts are not as long as it says")
    crl.digest = await stream.finish_hash()


async def _time(stream, tag):
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise DerError("CRL: a date is missing")
    return x509.read_time(der.Reader(await stream.take(tag)))


async def _entries(stream, wanted):
    """Read revokedCertificates: all entries that are whole in the buffer at a time."""
    end = _end(stream, await stream.enter(der.SEQUENCE))
    while stream.at < end:
        missing = _whole_entries(stream, end - stream.at, wanted)
        if missing:
            await stream.need(missing)


def _whole_entries(stream, left, wanted):
    """Read entries in the buffer; left: bytes of all. Return how many bytes the next one needs."""
    view, pos, end = stream.view, stream.pos, stream.end
    last = pos + left
    while pos < last:
        if end - pos < 4:
            break
        size, body = view[pos + 1], pos + 2
        if size == 0x81:
            size, body = view[pos + 2], pos + 3
        elif size == 0x82:
            size, body = view[pos + 2] << 8 | view[pos + 3], pos + 4
        elif size > 0x80:
            raise LimitError("CRL: an entry of more than 64 KB")
        if view[pos] != der.SEQUENCE or body + size > last:
            raise DerError("CRL: bad entry")
        if body + size > end:
            stream.pos = pos
            return body + size - pos
        _entry(view, body, body + size, wanted)
        pos = body + size
    stream.pos = pos
    return 4 if pos < last else 0


def _entry(view, pos, end, wanted):
    """Look at the entry whose contents are view[pos:end]: serial, date, extensions."""
    # By hand: a list of some ten thousand of these is what a board has to get through.
    date = pos + 2 + view[pos + 1] if end - pos > 2 else end
    extensions = date + 2 + view[date + 1] if end - date > 2 else end + 1
    if extensions > end or view[pos] != der.INTEGER or date - pos < 3:
        raise DerError("CRL: bad entry")
    if view[date] not in (_UTC_TIME, _GENERALIZED_TIME):
        raise DerError("CRL: bad date in an entry")
    reason = 0
    if end - extensions == 14 and view[extensions : end - 1] == _ONLY_REASON:
        reason = view[end - 1]
    elif extensions < end:
        reason = wanted.entry_extensions(view[extensions:end])
    serial = wanted.serial
    if wanted.here and view[date - 1] == serial[-1] and view[pos + 2 : date] == serial:
        wanted.found(reason, view[date:extensions])


class _Wanted:
    """The certificate that is looked for, and whether the entries at hand are its issuer's."""

    def __init__(self, issuer, serial, crl):
        self._issuer = issuer
        self._crl = crl
        self.serial = bytes(serial)
        self.here = False

    def begin(self):
        """Entries that name no issuer are about the CRL issuer's own certificates (5.3.3)."""
        self.here = name_match.same(self._crl.issuer, self._issuer)

    def found(self, reason, date):
        """Keep the entry: its reason code, and the TLV of its date."""
        self._crl.entry = (reason, x509.read_time(der.Reader(date)))

    def entry_extensions(self, extensions):
        """Read an entry's extensions (5.3) and return its reason code."""
        reason = 0
        for kind, critical, value in x509.each_extension(der.sequence(extensions)):
            if kind == _REASON_CODE:
                reason = der.Reader(value).integer_bytes(_ENUMERATED)[0]
            elif kind == _CERTIFICATE_ISSUER:
                self._crl.names_issuers = True
                self.here = self._is_issuer(der.sequence(value))
            elif critical:
                raise TrustError(
                    "the CRL has an entry with the unknown critical extension "
                    + oid_text.dotted(kind)
                )
        return reason

    def _is_issuer(self, names):
        while names.more():
            tag = names.peek()
            if tag == _DIRECTORY_NAME:
                if name_match.same(names.enter(tag).element(der.SEQUENCE), self._issuer):
                    return True
            else:
                names.element()
        return False


def _extensions(octets, crl):
    """Read crlExtensions (5.2) into the Crl."""
    wrapper = der.Reader(octets).enter(der.CONSTRUCTED_CONTEXT)
    extensions = wrapper.enter()
    wrapper.finish()
    for kind, critical, value in x509.each_extension(extensions):
        if kind == _CRL_NUMBER:
            crl.number = der.Reader(value).integer()
        elif kind == _DELTA_CRL_INDICATOR:
            crl.base = der.Reader(value).integer()
        elif kind == _ISSUING_DISTRIBUTION_POINT:
            crl.scope = bytes(value)
        elif kind == _FRESHEST_CRL:
            crl.freshest = bytes(value)
        elif kind == oid.AUTHORITY_KEY_IDENTIFIER:
            crl.authority_key = x509.authority_key(value)
        elif critical:
            raise TrustError("the CRL has the unknown critical extension " + oid_text.dotted(kind))
