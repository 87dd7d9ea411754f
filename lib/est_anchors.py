"""Which certificates of a /cacerts answer count (RFC 7030 4.1.1 and 4.1.3, RFC 4210 4.4).

The answer is an unordered bag: roots, CAs below them, and the certificates of a root's key update.
A root becomes a trust anchor only when something vouches for it: a fingerprint, an anchor's key
(NewWithOld), or, at the first contact with a CA, the server that an anchor has verified. All else
is validated to the anchors, or left out.
"""

import est_limits
from est_errors import DerError, TrustError
from pki import path, x509


class Database:
    """What a device trusts after an answer.

    anchors: DER certificates (bytes) that paths may end in; authorities: other CA certificates
    that were validated to them; refused: texts about roots that nothing vouches for, and about CAs
    below that are not valid.
    """

    def __init__(self, anchors, authorities, refused):
        self.anchors = anchors
        self.authorities = authorities
        self.refused = refused


async def updated(anchors, received, now, strangers, limits=est_limits):
    """Return the Database after an answer of a server that has been verified.

    anchors: the DER anchors so far. strangers: whether roots of another name are taken at the
    server's word, as at the first contact with a CA. A root with an anchor's name is taken only
    where that anchor's key signed its key (RFC 4210 4.4: NewWithOld), or its key is the anchor's;
    then the anchor is given up as soon as the server lists it no more. Raises TrustError where
    such a signature is forged.
    """
    old = [x509.Certificate(raw) for raw in anchors]
    bag = _Bag(received)
    refused = []
    roots = []
    for certificate in bag:
        if not certificate.self_issued or certificate.raw in anchors:
            continue
        familiar = _named(certificate, old)
        # The cheap questions first: a signature costs a second on a small board.
        if (familiar or strangers) and not await _is_root(certificate, now, limits):
            continue  # NewWithOld and OldWithNew: self-issued, but signed by the other key
        if await _vouched(certificate, old, bag, now, limits) if familiar else strangers:
            roots.append(certificate)
        else:
            refused.append(_label(certificate) + ": no anchor vouches for this root")
    kept = [anchor for anchor in old if not _retired(anchor, bag, old + roots, now)]
    trusted = kept + roots
    others = await _validated(bag, trusted, now, limits, refused)
    if strangers and not roots and not others and not [one for one in old if bag.lists(one)]:
        # A bag without its root: what has its issuer nowhere is the top.
        for top in bag:
            if not _has_issuer(top, bag) and top.basic_constraints[0]:
                trusted.append(top)
        others = await _validated(bag, trusted, now, limits, refused)
    if not trusted:
        raise TrustError("the server sent no CA certificate that could be a trust anchor")
    return Database(
        [certificate.raw for certificate in trusted],
        others,
        refused,
    )


class _Bag:
    """The certificates of an answer, each parsed anew when it is looked at: in the heap is their
    DER alone, which can be all that a board has room for."""

    def __init__(self, ders):
        self._ders = ders

    def __iter__(self):
        for raw in self._ders:
            yield x509.Certificate(raw)

    def lists(self, certificate):
        """Return whether an x509.Certificate is among them."""
        return certificate.raw in self._ders


async def _is_root(certificate, now, limits):
    """Return whether a certificate is a valid CA certificate signed with its own key."""
    try:
        await path.check(certificate, [], [certificate], now, limits=limits)
    except (TrustError, DerError):
        return False
    return True


async def _vouched(root, old, bag, now, limits):
    """Return whether an anchor of a root's name vouches for its key.

    Raises TrustError where the bag claims that it does, and the signature says otherwise.
    """
    for anchor in old:
        if _same_key(anchor, root):
            return True
    # Only the root's own keys may speak for it: a CA below it could name another one "root", too.
    own = [one for one in bag if one.self_issued and one.subject == root.subject]
    forged = None
    for certificate in own:
        if certificate.raw == root.raw or not _same_key(certificate, root):
            continue
        try:
            await path.check(certificate, own, old, now, limits=limits)
            return True
        except (TrustError, DerError) as error:
            forged = error
    if forged:
        raise TrustError(
            "the key update of %s is refused, the old key did not sign the new one: %s"
            % (_label(root), forged.message)
        )
    return False


def _retired(anchor, bag, candidates, now):
    """Return whether an anchor is given up: expired, or replaced by a listed one of its name."""
    if now > anchor.not_after:
        return True
    for certificate in bag:
        if _same_key(certificate, anchor):
            return False
    for other in candidates:
        if other.raw != anchor.raw and other.subject == anchor.subject and bag.lists(other):
            return True
    return False


async def _validated(bag, anchors, now, limits, refused):
    """Return those of the bag (DER) that have a path to the anchors (RFC 5280 6)."""
    found = []
    trusted = [anchor.raw for anchor in anchors]
    for certificate in bag:
        if certificate.raw in trusted:
            continue
        try:
            if not certificate.basic_constraints[0]:
                continue
            await path.check(certificate, bag, anchors, now, limits=limits)
        except (TrustError, DerError) as error:
            if _has_issuer(certificate, anchors) or _has_issuer(certificate, _Bag(found)):
                refused.append("%s: %s" % (_label(certificate), error.message))
            continue  # not of this CA, or not right: never used
        found.append(certificate.raw)
    return found


def _label(certificate):
    from pki import name  # only where there is something to say

    return name.text(certificate.subject)


def _same_key(a, b):
    return a.public_key == b.public_key and a.subject == b.subject


def _named(certificate, others):
    return any(other.subject == certificate.subject for other in others)


def _has_issuer(certificate, others):
    return any(other.subject == certificate.issuer for other in others)
