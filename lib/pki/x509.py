"""X.509 certificates (RFC 5280) read in place and lazily: only what is asked for is parsed."""

from array import array

import unix_time
from est_errors import DerError
from micropython import const

from pki import der, oid

_UTC_TIME = const(0x17)
_GENERALIZED_TIME = const(0x18)
_ANY_PURPOSE = b"\x55\x1d\x25\x00"  # anyExtendedKeyUsage

# Named bits of keyUsage (RFC 5280 4.2.1.3).
DIGITAL_SIGNATURE = 0
KEY_CERT_SIGN = 5
CRL_SIGN = 6


def _part(number):
    """Return a property: the memoryview of a certificate's part."""
    number *= 2
    return property(lambda self: memoryview(self.raw)[self._at[number] : self._at[number + 1]])


class Certificate:
    """One certificate.

    raw: its DER (bytes-like). Properties give memoryviews into it, ints, or Readers; each raises
    DerError where the certificate is not DER.
    """

    # Two offsets each, in place of memoryviews: a whole bag of certificates is in the heap.
    tbs = _part(0)
    signature_algorithm = _part(1)
    signature = _part(2)
    serial = _part(3)
    issuer = _part(4)
    _validity = _part(5)
    subject = _part(6)
    public_key = _part(7)  # SubjectPublicKeyInfo

    def __init__(self, raw):
        self.raw = raw
        outer = der.sequence(raw)
        at = [outer.pos]
        tbs = outer.enter()
        at += [outer.pos, outer.pos]
        outer.element(der.SEQUENCE)
        at.append(outer.pos)
        signature = outer.bit_string()
        outer.finish()
        at += [outer.pos - len(signature), outer.pos]
        self.version = 1
        if tbs.peek() == der.CONSTRUCTED_CONTEXT:
            version = tbs.enter(der.CONSTRUCTED_CONTEXT)
            self.version = version.integer() + 1
            version.finish()
            if not 2 <= self.version <= 3:  # 1 is the default, which DER leaves out
                raise DerError("DER: a certificate of version %d" % self.version)
        serial = tbs.integer_bytes()
        at += [tbs.pos - len(serial), tbs.pos]
        # RFC 5280 4.1.1.2: the same algorithm inside and outside of what is signed.
        if tbs.element(der.SEQUENCE) != memoryview(raw)[at[2] : at[3]]:
            raise DerError("DER: a certificate names two different signature algorithms")
        for _ in range(4):
            at.append(tbs.pos)
            tbs.element(der.SEQUENCE)
            at.append(tbs.pos)
        self._at = array("H" if len(raw) < 65536 else "I", at)

    @property
    def not_before(self):
        """Start of validity, Unix seconds (int)."""
        return read_time(der.sequence(self._validity))

    @property
    def not_after(self):
        """End of validity, Unix seconds (int)."""
        reader = der.sequence(self._validity)
        reader.element()
        seconds = read_time(reader)
        reader.finish()
        return seconds

    @property
    def serial_hex(self):
        """The serial number in lower-case hex (str)."""
        return "".join(["%02x" % octet for octet in self.serial])

    @property
    def self_issued(self):
        """True where subject and issuer are the same."""
        return self.subject == self.issuer

    def extensions(self):
        """Yield (OID contents as bytes, critical as bool, value octets as memoryview)."""
        rest = der.Reader(self.raw, self._at[15], self._at[1])
        for tag in (0x81, 0x82):  # issuerUniqueID, subjectUniqueID: obsolete, passed over
            if rest.peek() == tag:
                rest.element()
        if not rest.more():
            return
        wrapper = rest.enter(0xA3)
        rest.finish()
        if self.version != 3:
            raise DerError("DER: extensions in a certificate of version %d" % self.version)
        extensions = wrapper.enter()
        wrapper.finish()
        yield from each_extension(extensions)

    def extension(self, kind):
        """Return the value octets (memoryview) of the extension with this OID, or None."""
        found = None
        for found_kind, _, value in self.extensions():  # to their end: each is there once
            if found_kind == kind:
                found = value
        return found

    @property
    def basic_constraints(self):
        """(is a CA, path length or None) of basicConstraints (RFC 5280 4.2.1.9)."""
        return basic_constraints(self.extension(oid.BASIC_CONSTRAINTS))

    @property
    def key_usage(self):
        """keyUsage as an int in which bit n is named bit n, or None where there is none."""
        return key_usage(self.extension(oid.KEY_USAGE))

    @property
    def subject_key_identifier(self):
        """The octets of subjectKeyIdentifier (bytes; RFC 5280 4.2.1.2), or None."""
        value = self.extension(oid.SUBJECT_KEY_IDENTIFIER)
        return None if value is None else bytes(der.Reader(value).take(der.OCTET_STRING))

    @property
    def authority_key_identifier(self):
        """The key identifier in authorityKeyIdentifier (bytes; RFC 5280 4.2.1.1), or None."""
        value = self.extension(oid.AUTHORITY_KEY_IDENTIFIER)
        return None if value is None else authority_key(value)


def basic_constraints(value):
    """Return what Certificate.basic_constraints is, of the extension's value or None."""
    if value is None:
        return False, None
    reader = der.sequence(value)
    ca = reader.peek() == der.BOOLEAN and reader.boolean()
    length = reader.integer() if reader.more() else None
    reader.finish()
    if length is not None and length < 0:
        raise DerError("DER: a negative path length")
    return ca, length


def key_usage(value):
    """Return what Certificate.key_usage is, of the extension's value or None."""
    if value is None:
        return None
    reader = der.Reader(value)
    bits = reader.named_bits()
    reader.finish()
    return bits


def allows(value, purpose):
    """Return whether extKeyUsage (its value, or None) allows a purpose (OID contents), or is
    absent (RFC 5280 4.2.1.12)."""
    if value is None:
        return True
    usages = der.sequence(value)
    found = []
    while usages.more():
        found.append(usages.oid())
    return purpose in found or _ANY_PURPOSE in found


def each_extension(extensions):
    """Yield (OID contents as bytes, critical as bool, value octets as memoryview) of Extensions.

    extensions: a Reader inside of them: at least one, and none twice (RFC 5280 4.1 and 4.2).
    """
    kinds = []
    while not kinds or extensions.more():
        extension = extensions.enter()
        kind = extension.oid()
        if kind in kinds:
            raise DerError("DER: the same extension twice")
        kinds.append(kind)
        critical = extension.peek() == der.BOOLEAN and extension.boolean()
        value = extension.take(der.OCTET_STRING)
        extension.finish()
        yield kind, critical, value


def authority_key(value):
    """Return the key identifier (bytes) in an authorityKeyIdentifier's value, or None."""
    reader = der.sequence(value)
    return bytes(reader.take(0x80)) if reader.peek() == 0x80 else None


def request_public_key(request):
    """Return the SubjectPublicKeyInfo DER (memoryview) of a PKCS #10 request's DER (RFC 2986)."""
    information = der.sequence(request).enter()
    information.integer()
    information.element(der.SEQUENCE)  # subject
    return information.element(der.SEQUENCE)


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def read_time(reader):
    """Read UTCTime or GeneralizedTime (RFC 5280 4.1.2.5) and return Unix seconds (int)."""
    tag = reader.peek()
    text = bytes(reader.take(tag))
    if tag == _UTC_TIME and len(text) == 13:
        year = 2000 if text < b"50" else 1900
        digits = text[:12]
    elif tag == _GENERALIZED_TIME and len(text) == 15:
        year = 0
        digits = text[:14]
    else:
        raise DerError("DER: bad time")
    if text[-1] != 0x5A or not digits.isdigit():
        raise DerError("DER: bad time")
    split = len(digits) - 10
    year += int(digits[:split])
    month, day, hour, minute, second = [
        int(digits[i : i + 2]) for i in range(split, len(digits), 2)
    ]
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        raise DerError("DER: bad time")
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= (29 if month == 2 and leap else _DAYS[month - 1]):
        raise DerError("DER: bad time")
    return unix_time.from_date(year, month, day, hour, minute, second)
