"""Whether the certificates of a path are revoked (RFC 5280 6.3), by CRLs that are never held.

Complete, partitioned (by distribution point, by reason, by kind of certificate), indirect and
delta CRLs. Where they come from is the caller's business: see Checker. Nothing is fetched here.
"""

import asyncio

import est_limits
import unix_time
from est_errors import DeadlineError, DerError, EstError, TrustError
from micropython import const

from pki import crl, distribution_point, name, name_match, oid, path, signature, x509

_MAX_DEPTH = const(3)  # certificates of CRL signers whose own CRLs are looked at, in a row
_MAX_SIGNERS = const(4)  # keys that are tried for one CRL
_FRESHEST_CRL = b"\x55\x1d\x2e"

# What the codes of 5.3.1 mean, for people.
_REASONS = (
    b"no reason given",
    b"its key was compromised",
    b"its CA was compromised",
    b"its owner's affiliation changed",
    b"it was superseded",
    b"it is no longer needed",
    b"it is on hold",
    b"unknown reason",
    b"removed from the CRL",
    b"its privilege was withdrawn",
    b"its attribute authority was compromised",
)


class Undetermined(TrustError):
    """No CRL at hand says whether a certificate is revoked."""


class _Foreign(TrustError):
    """A CRL that has nothing to do with a certificate."""


class Checker:
    """Checks the certificates of one verified path against CRLs.

    chain: list of x509.Certificate, leaf first, trust anchor last, as path.check or a TLS stack
    verified it. authorities: other certificates (list), of which one may be a CRL's signer; nobody
    vouches for them. source: where the CRLs come from, an object with
      `candidates(points)`: a list of keys of the CRLs at these distribution_point.Points (a list,
          which is empty for CRLs that no certificate names), and
      `async open(key)`: a stream with `async readinto(view) -> count` and `async close()`.
      One CRL is open at a time; the same may be opened again. view: memoryview of the buffer.
    now: Unix seconds. limits: see est_limits.
    """

    def __init__(self, chain, authorities, source, view, now, limits=est_limits):
        self._chain = chain
        self._known = path.without_copies(chain + authorities)
        self._source = source
        self._view = view
        self._now = now
        self._limits = limits
        self._good = []  # certificates of CRL signers that were checked

    async def check(self, index):
        """Check one certificate of the chain by its index (the anchor, the last, has no CRL).

        Check the upper ones first: a CRL is worth what its signer is. Raises Undetermined where
        no CRL answers for it, and another TrustError where it is revoked.
        """
        await self._check(self._chain[index], self._chain[index + 1], [])

    async def _check(self, certificate, issuer, above):
        """Check one certificate; above: those whose check needs this one."""
        if len(above) == _MAX_DEPTH:
            raise Undetermined("CRLs are signed by too many keys in a row")
        busy = above + [certificate]
        left = distribution_point.ALL_REASONS
        why = "no CRL of its issuer is at hand"
        # Last the CRLs that no distribution point names, of the certificate's own issuer.
        named = _points(certificate, oid.CRL_DISTRIBUTION_POINTS)
        for i in range(len(named) + 1):
            point = named[i] if i < len(named) else distribution_point.implied(certificate)
            for key in self._source.candidates(named[i : i + 1]):
                try:
                    reasons, entry = await self._ask(key, certificate, issuer, point, left, busy)
                except _Foreign:
                    continue
                except EstError as error:
                    why = error.message
                    continue
                if entry:
                    raise TrustError(_revoked(certificate, entry))
                left &= ~reasons
                if not left:
                    return
        if left != distribution_point.ALL_REASONS:
            why = "the CRLs at hand cover only some reasons"
        raise Undetermined(
            "it is not known whether %s is revoked: %s" % (name.text(certificate.subject), why)
        )

    async def _ask(self, key, certificate, issuer, point, left, busy):
        """Return (reasons that a CRL covers, entry of the certificate in it or None)."""
        found = await self._scan(key, certificate, _Acceptable(point, certificate, self._now))
        if found.base is not None:
            raise TrustError("there is only a delta CRL")
        reasons = distribution_point.reasons_covered(point, found, certificate)
        if not reasons & left:
            return 0, None
        signer = await self._signer(found, issuer, busy)
        entry = await self._newest(found, certificate, point, signer)
        if entry and entry[0] == crl.REMOVE_FROM_CRL:
            entry = None
        return reasons, entry

    async def _scan(self, key, certificate, accept):
        """Return the Crl with this key, within the time for one."""
        reading = self._read(key, certificate, accept)
        try:
            return await asyncio.wait_for(reading, self._limits.CRL_TIMEOUT)
        except asyncio.TimeoutError:
            raise DeadlineError("the CRL did not come within %d s" % self._limits.CRL_TIMEOUT)

    async def _read(self, key, certificate, accept):
        stream = await self._source.open(key)
        try:
            return await crl.scan(
                stream, self._view, certificate.issuer, certificate.serial, accept, self._limits
            )
        finally:
            await stream.close()

    async def _newest(self, complete, certificate, point, signer):
        """Return the certificate's entry in the newest delta CRL, or in the complete one."""
        try:
            points = _points(certificate, _FRESHEST_CRL)
            if not points and complete.freshest is not None:
                points = distribution_point.points(complete.freshest)
        except DerError:
            points = []
        newest = complete
        for key in self._source.candidates(points):
            try:
                delta = await self._scan(
                    key, certificate, _Acceptable(point, certificate, self._now)
                )
                if _extends(delta, complete) and delta.number > newest.number:
                    await self._verify(delta, signer)
                    newest = delta
            except EstError:
                continue  # what a delta CRL does not say, the complete one says
        return newest.entry or complete.entry

    async def _signer(self, found, issuer, busy):
        """Verify a CRL (6.3.3 f and g) and return the certificate of its signer."""
        candidates = []
        for one in [issuer] + self._known:
            if one not in candidates and _may_sign(one, found):
                candidates.append(one)
        # The key that the CRL points to first; MicroPython's sort would lose the order.
        pointed = [one for one in candidates if _has_key(one, found)]
        candidates = pointed + [one for one in candidates if one not in pointed]
        error = TrustError("the certificate of the CRL's signer is not at hand")
        for one in candidates[:_MAX_SIGNERS]:
            try:
                await self._verify(found, one)
            except EstError as caught:
                error = caught
                continue
            await self._check_signer(one, busy)
            return one
        raise error

    async def _verify(self, found, signer):
        await signature.verify_digest(
            signer.public_key, found.algorithm, found.digest, found.signature, self._limits
        )

    async def _check_signer(self, signer, busy):
        """Check that a signer beside the chain has a path to the anchor, and is not revoked."""
        if signer in self._good:
            return
        built = signer in self._chain
        if built:
            upwards = self._chain[self._chain.index(signer) + 1 :]
        else:
            upwards = await path.check(
                signer, self._known, self._chain[-1:], self._now, limits=self._limits
            )
        # A stolen key could make itself a signer below its certificate, and revoke nothing.
        if any(one.public_key == other.public_key for one in upwards for other in busy):
            raise TrustError("the CRL's signer depends on what it is about")
        if built:
            return
        below = signer
        for one in upwards:
            # A signer that is being checked may sign the CRL with its own state: its key is as
            # good as the path that led to it.
            if below not in self._chain and below not in busy:
                await self._check(below, one, busy)
            below = one
        self._good.append(signer)


class _Acceptable:
    """Looks at a CRL's issuer and dates before its entries are read (6.3.3 b)."""

    def __init__(self, point, certificate, now):
        self._issuers = point.issuers or [certificate.issuer]
        self._now = now

    def __call__(self, found):
        for issuer in self._issuers:
            if name_match.same(found.issuer, issuer):
                break
        else:
            raise _Foreign("the CRL is of another issuer")
        if self._now < found.this_update:
            raise TrustError("the CRL is not valid yet")
        if found.next_update is None:
            raise TrustError("the CRL does not say until when it is valid")
        if self._now > found.next_update:
            raise TrustError("the CRL has expired")


def _points(certificate, kind):
    value = certificate.extension(kind)
    return [] if value is None else distribution_point.points(value)


def _may_sign(certificate, found):
    """Return whether a certificate's subject and keyUsage make it a CRL's signer."""
    try:
        usage = certificate.key_usage
        return (usage is None or usage >> x509.CRL_SIGN & 1) and name_match.same(
            certificate.subject, found.issuer
        )
    except DerError:
        return False


def _has_key(certificate, found):
    """Return whether a certificate has the key that a CRL's authorityKeyIdentifier names."""
    try:
        return found.authority_key in (None, certificate.subject_key_identifier)
    except DerError:
        return False


def _extends(delta, complete):
    """Return whether a delta CRL may be combined with a complete one (5.2.4)."""
    return (
        delta.base is not None
        and delta.number is not None
        and complete.number is not None
        and delta.base <= complete.number
        and name_match.same(delta.issuer, complete.issuer)
        and delta.scope == complete.scope
        and delta.authority_key == complete.authority_key
    )


def _revoked(certificate, entry):
    """Return the sentence that says which certificate was revoked, when and why."""
    reason = entry[0] if entry[0] < len(_REASONS) else 7
    return "certificate %s (serial %s) was revoked on %s: %s" % (
        name.text(certificate.subject),
        certificate.serial_hex,
        unix_time.text(entry[1]),
        _REASONS[reason].decode(),
    )
