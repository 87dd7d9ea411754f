"""Distribution points of CRLs in certificates (RFC 5280 4.2.1.13), and the scope of a CRL (5.2.5).

Which CRL may answer for which certificate: 6.3.3 (b) and (d).
"""

from est_errors import LimitError, TrustError
from micropython import const

from pki import der, der_writer, name_match

_MOST_POINTS = const(8)
_MOST_NAMES = const(8)
_DIRECTORY_NAME = const(0xA4)
_URI = const(0x86)
ALL_REASONS = const(0x1FE)  # the named bits 1 to 8 of ReasonFlags


class Point:
    """One distribution point.

    names: list of GeneralName DER (bytes), or None. relative: contents of the RDN (bytes) of a
    nameRelativeToCRLIssuer, or None. reasons: int of ReasonFlags. issuers: DER Names of cRLIssuer.
    """

    def __init__(self, names=None):
        self.names = names
        self.relative = None
        self.reasons = ALL_REASONS
        self.issuers = []

    def uris(self):
        """Return the URIs (list of bytes) of the full name."""
        found = []
        for one in self.names or ():
            if one[0] == _URI:
                found.append(bytes(der.Reader(one).take(_URI)))
        return found


def points(value):
    """Return the Points of a cRLDistributionPoints or freshestCRL extension's value (bytes-like).

    Raises DerError; LimitError for more than eight points, or names in one.
    """
    found = []
    reader = der.sequence(value)
    while reader.more():
        if len(found) == _MOST_POINTS:
            raise LimitError("more than %d CRL distribution points" % _MOST_POINTS)
        fields = reader.enter()
        point = Point()
        _read_name(fields, point)
        if fields.peek() == 0x81:
            point.reasons = _reasons(fields.take(0x81))
        if fields.peek() == 0xA2:
            for name in _general_names(fields.enter(0xA2)):
                if name[0] == _DIRECTORY_NAME:
                    point.issuers.append(_name_of(name))
        fields.finish()
        found.append(point)
    return found


def implied(certificate):
    """Return the Point of a certificate that names none: its issuer's own (6.3.3, at the end)."""
    return Point([der_writer.tlv(_DIRECTORY_NAME, certificate.issuer)])


def reasons_covered(point, crl, certificate):
    """Return the reasons (int of ReasonFlags) for which a CRL answers for a certificate.

    point: the certificate's Point; crl: pki.crl.Crl. Raises TrustError where the CRL is not meant
    for this certificate or this point, DerError.
    """
    scope = _Scope(crl.scope)
    if point.issuers and not scope.indirect:
        raise TrustError("the CRL of another issuer is not an indirect CRL")
    if crl.names_issuers and not scope.indirect:
        raise TrustError("the CRL has entries of other issuers without being an indirect CRL")
    _check_names(point, scope.point, crl, certificate)
    ca = certificate.basic_constraints[0]
    if scope.only_attributes or (scope.only_users if ca else scope.only_authorities):
        raise TrustError("the CRL is about certificates of another kind")
    return scope.point.reasons & point.reasons


class _Scope:
    """An issuingDistributionPoint (5.2.5); all False and empty where a CRL has none."""

    def __init__(self, value):
        self.point = Point()
        self.only_users = self.only_authorities = self.indirect = self.only_attributes = False
        if value is None:
            return
        fields = der.sequence(value)
        _read_name(fields, self.point)
        self.only_users = _flag(fields, 0x81)
        self.only_authorities = _flag(fields, 0x82)
        if fields.peek() == 0x83:
            self.point.reasons = _reasons(fields.take(0x83))
        self.indirect = _flag(fields, 0x84)
        self.only_attributes = _flag(fields, 0x85)
        fields.finish()


def _check_names(point, own, crl, certificate):
    """6.3.3 (b)(2)(i): where a CRL names its point, it is one of the certificate's."""
    mine = _full_names(own, crl.issuer)
    if not mine:
        return
    wanted = _full_names(point, point.issuers[0] if point.issuers else certificate.issuer)
    if not wanted:
        wanted = [der_writer.tlv(_DIRECTORY_NAME, issuer) for issuer in point.issuers]
    for one in wanted:
        for other in mine:
            if _same(one, other):
                return
    raise TrustError("the CRL is of another distribution point")


def _same(one, other):
    """Return whether two GeneralNames (DER) are the same."""
    if one == other:
        return True
    both = one[0] == other[0] == _DIRECTORY_NAME
    return both and name_match.same(_name_of(one), _name_of(other))


def _full_names(point, issuer):
    """Return the GeneralNames (list of bytes) of a Point; a relative one is below the issuer."""
    if point.relative is None:
        return point.names
    above = der.sequence(issuer)
    rdns = []
    while above.more():
        rdns.append(above.element())
    rdns.append(der_writer.tlv(der.SET, point.relative))
    return [der_writer.tlv(_DIRECTORY_NAME, der_writer.tlv(der.SEQUENCE, *rdns))]


def _read_name(fields, point):
    """Read a DistributionPointName, where there is one."""
    if fields.peek() != der.CONSTRUCTED_CONTEXT:
        return
    wrapper = fields.enter(der.CONSTRUCTED_CONTEXT)
    if wrapper.peek() == der.CONSTRUCTED_CONTEXT:
        point.names = _general_names(wrapper.enter(der.CONSTRUCTED_CONTEXT))
    else:
        relative = wrapper.enter(der.CONSTRUCTED_CONTEXT + 1)
        point.relative = b"".join([bytes(part) for part in _elements(relative)])
    wrapper.finish()


def _general_names(reader):
    return [bytes(name) for name in _elements(reader)]


def _elements(reader):
    found = []
    while reader.more():
        if len(found) == _MOST_NAMES:
            raise LimitError("more than %d names in a CRL distribution point" % _MOST_NAMES)
        found.append(reader.element())
    return found


def _name_of(general_name):
    """Return the DER Name (bytes) in a directoryName."""
    return bytes(der.Reader(general_name).enter(_DIRECTORY_NAME).element(der.SEQUENCE))


def _reasons(contents):
    return der.Reader(der_writer.tlv(der.BIT_STRING, contents)).named_bits() & ALL_REASONS


def _flag(fields, tag):
    if fields.peek() != tag:
        return False
    return der.Reader(der_writer.tlv(der.BOOLEAN, fields.take(tag))).boolean()
