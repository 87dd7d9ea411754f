"""Certification paths (RFC 5280 section 6): from a certificate up to a trust anchor.

Signatures, name chaining, validity, CA flag, path length, keyUsage, extKeyUsage of the leaf, name
constraints, unknown critical extensions and the sizes of keys and hashes are checked. Policies are
not: critical policy constraints are refused. Revocation is in pki.revocation. Work is bounded
whatever the bag of certificates holds.
"""

import asyncio

import est_limits
import unix_time
from est_errors import DerError, TrustError
from micropython import const

from pki import oid, oid_text, signature, x509

_MAX_LENGTH = const(6)  # certificates above the leaf
_MAX_SIGNATURES = const(16)  # verified for one path, wrong turnings included

# Critical extensions that are processed here, or that do not restrict what this library does.
_KNOWN = (
    oid.BASIC_CONSTRAINTS,
    oid.KEY_USAGE,
    oid.SUBJECT_ALT_NAME,
    oid.EXT_KEY_USAGE,
    oid.NAME_CONSTRAINTS,
)


async def check(leaf, pool, anchors, now=None, purpose=None, strict=False, limits=est_limits):
    """Find and verify a path from leaf to one of the anchors.

    leaf, pool, anchors: x509.Certificate and lists of them; pool holds intermediates that nobody
    vouches for yet. now: Unix seconds, or None to leave out every check of validity. purpose: OID
    contents of the extended key usage that the leaf must allow, or None. strict: refuse also CA
    certificates that break the letter of RFC 5280 harmlessly, as many private roots do:
    basicConstraints not critical, no subjectKeyIdentifier. limits: see est_limits. Returns the
    path above the leaf as a list of Certificates, the anchor last. Raises TrustError, and DerError
    where the leaf is broken.
    """
    _check_leaf(leaf, now, purpose, limits)
    search = _Search(pool, anchors, now, strict, limits)
    path = await search.up(leaf, [])
    if path is None:
        if not search.why:
            signature.hash_number(leaf.signature_algorithm, limits)  # a better reason, if any
        raise TrustError(
            "certificate %s: no path to a trust anchor%s" % (_label(leaf), search.why)
        )
    return path


def check_built(chain, now=None, purpose=None, limits=est_limits):
    """Check a path of which a TLS stack has verified the signatures, without waiting.

    chain: list of x509.Certificate, leaf first, trust anchor last; the anchor may be any
    certificate that is trusted, the leaf itself too. now, purpose, limits: see check(), of which
    every other check is made. Raises TrustError, DerError.
    """
    _check_leaf(chain[0], now, purpose, limits)
    if len(chain) > _MAX_LENGTH + 1:
        raise TrustError("a path of more than %d certificates" % (_MAX_LENGTH + 1))
    for i in range(1, len(chain)):
        issuer, below = chain[i], chain[:i]
        if not _named(issuer, below[-1]) and not _named_alike(issuer, below[-1]):
            raise TrustError("%s is not the issuer of %s" % (_label(issuer), _label(below[-1])))
        _check_issuer(issuer, below, now)
        signature.check_key(issuer.public_key, limits)
        signature.hash_number(below[-1].signature_algorithm, limits)


class _Search:
    """A depth-first search over issuers, anchors first."""

    def __init__(self, pool, anchors, now, strict, limits):
        self._anchors = anchors
        self._pool = without_copies(pool)
        self._now = now
        self._strict = strict
        self._limits = limits
        self._signatures = _MAX_SIGNATURES
        self.why = ""

    async def up(self, certificate, below):
        """Return the path above certificate, or None. below: the certificates up to it.

        Calls itself only after a signature was right, and at most to the greatest length of a
        path. Raises TrustError when the signatures are used up.
        """
        below = below + [certificate]
        # Names that differ only in letter case or string type are rare: they are tried last.
        for named in (_named, _named_alike):
            for anchor in self._anchors:
                if named(anchor, certificate) and await self._issued(anchor, below):
                    return [anchor]
            if len(below) >= _MAX_LENGTH:
                continue
            found = []
            for candidate in self._pool:
                if named(candidate, certificate) and not _among(candidate, below):
                    found.append(candidate)
                await asyncio.sleep(0)
            # Of many with one name the one whose key the certificate points to is tried first.
            found.sort(key=lambda candidate: not _has_key_of(candidate, certificate))
            for candidate in found:
                if await self._issued(candidate, below):
                    path = await self.up(candidate, below)
                    if path is not None:
                        return [candidate] + path
        return None

    async def _issued(self, issuer, below):
        """Return whether issuer may have issued the last of `below`, signature included."""
        certificate = below[-1]
        if not self._signatures:
            raise TrustError(
                "certificate %s: no path to a trust anchor within %d signatures"
                % (_label(below[0]), _MAX_SIGNATURES)
            )
        try:
            _check_issuer(issuer, below, self._now)
            if self._strict:
                from pki import profile

                profile.check(issuer, _label(issuer))
            self._signatures -= 1
            await signature.verify(
                issuer.public_key,
                certificate.signature_algorithm,
                certificate.tbs,
                certificate.signature,
                self._limits,
            )
        except (TrustError, DerError) as error:
            self.why = " (" + error.message + ")"
            return False
        return True


def _check_leaf(leaf, now, purpose, limits):
    """Check what a certificate says about itself (RFC 5280 6.1.3 and 6.1.5)."""
    _check_critical(leaf)
    _check_validity(leaf, now)
    if not leaf.basic_constraints[0] and (leaf.key_usage or 0) >> x509.KEY_CERT_SIGN & 1:
        raise TrustError(_label(leaf) + " may sign certificates without being a CA")
    if purpose is not None and not leaf.allows(purpose):
        raise TrustError("%s is not meant for this purpose (extKeyUsage)" % _label(leaf))
    signature.check_key(leaf.public_key, limits)


def _check_issuer(issuer, below, now):
    """Check that a certificate may issue others, at this height (RFC 5280 6.1.4 k to n)."""
    _check_critical(issuer)
    _check_validity(issuer, now)
    ca, length = issuer.basic_constraints
    if len(issuer.subject) == 2:
        raise TrustError("a CA certificate has no subject (RFC 5280 4.1.2.6)")
    if not ca:
        raise TrustError(_label(issuer) + " is not a CA certificate")
    usage = issuer.key_usage
    if usage is not None and not usage >> x509.KEY_CERT_SIGN & 1:
        raise TrustError(_label(issuer) + " may not sign certificates (keyUsage)")
    # Self-issued ones, as of a key rollover, count for neither of these (6.1.4 l, 6.1.3 b).
    others = [other for other in below[1:] if not other.self_issued]
    if length is not None and len(others) > length:
        raise TrustError(_label(issuer) + " allows only %d certificates below it" % length)
    constraints = issuer.extension(oid.NAME_CONSTRAINTS)
    if constraints is not None:
        from pki import name_constraints

        for certificate in below[:1] + others:
            name_constraints.check(constraints, certificate)


def _named(issuer, certificate):
    """Return whether the issuer's subject is the certificate's issuer, byte by byte."""
    return issuer.subject == certificate.issuer


def _named_alike(issuer, certificate):
    """Return whether they are the same name, but not byte by byte (RFC 5280 7.1)."""
    from pki import name_match

    try:
        return not _named(issuer, certificate) and name_match.same(
            issuer.subject, certificate.issuer
        )
    except DerError:
        return False  # a name that cannot be read is nobody's


def _has_key_of(issuer, certificate):
    """Return whether the certificate's authorityKeyIdentifier names the issuer's key."""
    try:
        wanted = certificate.authority_key_identifier
        return wanted is not None and wanted == issuer.subject_key_identifier
    except DerError:
        return False


def _check_critical(certificate):
    for kind, critical, _ in certificate.extensions():
        if critical and kind not in _KNOWN:
            raise TrustError("unknown critical extension " + oid_text.dotted(kind))


def _check_validity(certificate, now):
    if now is None:
        return
    if now < certificate.not_before:
        raise TrustError(
            "%s is not valid yet; the clock says %s: is it set?"
            % (_label(certificate), unix_time.text(now))
        )
    if now > certificate.not_after:
        raise TrustError(
            "%s has expired; the clock says %s" % (_label(certificate), unix_time.text(now))
        )


def _label(certificate):
    from pki import name

    return name.decode(certificate.subject)


def without_copies(pool):
    """Return a list of Certificates without those that are the same as one before."""
    found = []
    for certificate in pool:
        if not any(certificate.raw == other.raw for other in found):
            found.append(certificate)
    return found


def _among(certificate, others):
    for other in others:
        if other.public_key == certificate.public_key and other.subject == certificate.subject:
            return True
    return False
