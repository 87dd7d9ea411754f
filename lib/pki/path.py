"""Certification paths (RFC 5280 section 6): from a certificate up to a trust anchor.

Signatures, name chaining, validity, CA flag, path length, keyUsage and unknown critical
extensions are checked. Name constraints, policies and revocation are not: a certificate with
critical name constraints is refused. Work is bounded whatever the bag of certificates holds.
"""

from est_errors import TrustError
from micropython import const

from pki import oid, x509

_MAX_LENGTH = const(6)  # certificates above the leaf
_MAX_SIGNATURES = const(16)  # verified for one path, wrong turnings included

# Critical extensions that are processed here, or that do not restrict what this library does.
_KNOWN = (oid.BASIC_CONSTRAINTS, oid.KEY_USAGE, oid.SUBJECT_ALT_NAME, oid.EXT_KEY_USAGE)


async def check(leaf, pool, anchors, now=None):
    """Find and verify a path from leaf to one of the anchors.

    leaf, pool, anchors: x509.Certificate and lists of them; pool holds intermediates that nobody
    vouches for yet. now: Unix seconds, or None to leave out every check of validity. Returns the
    path above the leaf as a list of Certificates, the anchor last. Raises TrustError.
    """
    _check_critical(leaf)
    _check_validity(leaf, now)
    search = _Search(pool, anchors, now)
    path = await search.up(leaf, [])
    if path is None:
        raise TrustError(
            "certificate %s: no path to a trust anchor%s" % (_label(leaf), search.why)
        )
    return path


class _Search:
    """A depth-first search over issuers, anchors first."""

    def __init__(self, pool, anchors, now):
        self._anchors = anchors
        self._pool = pool
        self._now = now
        self._signatures = _MAX_SIGNATURES
        self.why = ""

    async def up(self, certificate, below):
        """Return the path above certificate, or None. below: the CA certificates up to it."""
        for anchor in self._anchors:
            if anchor.subject == certificate.issuer and await self._issued(
                anchor, certificate, below
            ):
                return [anchor]
        if len(below) >= _MAX_LENGTH - 1:
            return None
        for candidate in self._pool:
            if candidate.subject != certificate.issuer or candidate.self_issued:
                continue
            if _among(candidate, below) or not await self._issued(candidate, certificate, below):
                continue
            path = await self.up(candidate, below + [candidate])
            if path is not None:
                return [candidate] + path
        return None

    async def _issued(self, issuer, certificate, below):
        """Return whether issuer may have issued certificate and its signature is right."""
        try:
            _check_issuer(issuer, below, self._now)
            if not self._signatures:
                raise TrustError("too many candidate certificates")
            self._signatures -= 1
            from pki import signature

            await signature.verify(
                issuer.public_key,
                certificate.signature_algorithm,
                certificate.tbs,
                certificate.signature,
            )
        except TrustError as error:
            self.why = " (" + error.message + ")"
            return False
        return True


def _check_issuer(issuer, below, now):
    """Check that a certificate may issue others, at this height (RFC 5280 6.1.4 k to n)."""
    _check_critical(issuer)
    _check_validity(issuer, now)
    ca, length = issuer.basic_constraints
    if not ca:
        raise TrustError(_label(issuer) + " is not a CA certificate")
    usage = issuer.key_usage
    if usage is not None and not usage >> x509.KEY_CERT_SIGN & 1:
        raise TrustError(_label(issuer) + " may not sign certificates (keyUsage)")
    if length is not None:
        between = 0
        for certificate in below:
            if not certificate.self_issued:
                between += 1
        if between > length:
            raise TrustError(_label(issuer) + " allows only %d certificates below it" % length)


def _check_critical(certificate):
    for kind, critical, _ in certificate.extensions():
        if critical and kind not in _KNOWN:
            raise TrustError("unknown critical extension " + oid.dotted(kind))


def _check_validity(certificate, now):
    if now is None:
        return
    if now < certificate.not_before:
        raise TrustError(_label(certificate) + " is not valid yet")
    if now > certificate.not_after:
        raise TrustError(_label(certificate) + " has expired")


def _label(certificate):
    from pki import name

    return name.decode(certificate.subject)


def _among(certificate, others):
    for other in others:
        if other.public_key == certificate.public_key and other.subject == certificate.subject:
            return True
    return False
