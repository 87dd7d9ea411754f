"""Certification paths (RFC 5280 section 6): from a certificate up to a trust anchor.

Signatures are checked here, everything else by pki.path_rules. Revocation is in pki.revocation.
Work is bounded whatever the bag of certificates holds.
"""

import asyncio

import est_limits
from est_errors import DerError, TrustError
from micropython import const

from pki import algorithms, signature
from pki.path_rules import check_issuer, check_leaf, label, named, named_alike

_MAX_LENGTH = const(6)  # certificates above the leaf
_MAX_SIGNATURES = const(16)  # verified for one path, wrong turnings included


async def check(leaf, pool, anchors, now=None, purpose=None, strict=False, limits=est_limits):
    """Find and verify a path from leaf to one of the anchors.

    leaf, pool, anchors: x509.Certificate and lists of them; pool holds intermediates that nobody
    vouches for yet, and may be anything that can be gone through again and again. now: Unix
    seconds, or None to leave out every check of validity. purpose: OID contents of the extended
    key usage that the leaf must allow, or None. strict: refuse also CA certificates that break the
    letter of RFC 5280 harmlessly, as many private roots do: basicConstraints not critical, no
    subjectKeyIdentifier. limits: see est_limits. Returns the path above the leaf as a list of
    Certificates, the anchor last. Raises TrustError, and DerError where the leaf is broken.
    """
    check_leaf(leaf, now, purpose, limits)
    await asyncio.sleep(0)
    search = _Search(pool, anchors, now, strict, limits)
    path = await search.up(leaf, [])
    if path is None:
        if not search.why:
            algorithms.hash_number(leaf.signature_algorithm, limits)  # a better reason, if any
        raise TrustError("certificate %s: no path to a trust anchor%s" % (label(leaf), search.why))
    return path


class _Search:
    """A depth-first search over issuers, anchors first."""

    def __init__(self, pool, anchors, now, strict, limits):
        self._anchors = anchors
        self._pool = pool
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
        for alike in (named, named_alike):
            for anchor in self._anchors:
                if alike(anchor, certificate) and await self._issued(anchor, below):
                    return [anchor]
            if len(below) >= _MAX_LENGTH:
                continue
            found = []
            for candidate in self._pool:
                if alike(candidate, certificate) and not _among(candidate, below):
                    found.append(candidate)
                await asyncio.sleep(0)
            # Of many with one name the one whose key the certificate points to is tried first.
            found.sort(key=lambda candidate: not _has_key_of(candidate, certificate))
            for candidate in without_copies(found):
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
                % (label(below[0]), _MAX_SIGNATURES)
            )
        await asyncio.sleep(0)
        try:
            check_issuer(issuer, below, self._now)
            if self._strict:
                from pki import profile

                profile.check(issuer, label(issuer))
            self._signatures -= 1
            await asyncio.sleep(0)
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


def _has_key_of(issuer, certificate):
    """Return whether the certificate's authorityKeyIdentifier names the issuer's key."""
    try:
        wanted = certificate.authority_key_identifier
        return wanted is not None and wanted == issuer.subject_key_identifier
    except DerError:
        return False


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
