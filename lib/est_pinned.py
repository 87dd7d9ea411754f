"""The root of a /cacerts answer that nobody has vouched for yet (RFC 7030 4.1.1 and 4.1.3)."""

from binascii import hexlify

import est_limits
from est_errors import DerError, TrustError
from pki import path, path_rules, signature, x509


async def root(received, fingerprint, now, limits=est_limits):
    """Return the root (DER bytes) of an unverified answer that a person has confirmed.

    received: DER certificates; fingerprint: SHA-256 or SHA-512 (32 or 64 bytes) of the root; now:
    Unix seconds. Raises TrustError where no certificate matches, showing both, or where the one
    that does is no valid root.
    """
    number = 1 if len(fingerprint) == 32 else 3
    found = []
    for raw in received:
        found.append(await signature.digest(number, raw))
    if fingerprint not in found:
        sent = []
        for i in range(len(found)):
            one = x509.Certificate(received[i])
            kind = "the root " if one.self_issued else ""
            sent.append("%s%s: %s" % (kind, path_rules.label(one), hexlify(found[i]).decode()))
        raise TrustError(
            "no CA certificate has the fingerprint %s; the server sent %s"
            % (hexlify(fingerprint).decode(), ", ".join(sent) or "none")
        )
    anchor = x509.Certificate(received[found.index(fingerprint)])
    if not anchor.self_issued:
        raise TrustError("the certificate with this fingerprint is not a self-signed root")
    # What a person has compared needs no signature; old roots have one that no longer counts.
    path_rules.check_leaf(anchor, now, None, limits)
    path_rules.check_issuer(anchor, [], now)
    return anchor.raw


async def candidate(received, now, limits=est_limits):
    """Return the root (DER bytes) of an unverified answer that a person may approve.

    RFC 7030 4.1.3: the self-signed one that ends last. Raises TrustError where there is none.
    """
    best = None
    for raw in received:
        certificate = x509.Certificate(raw)
        if not certificate.self_issued or (best and certificate.not_after <= best.not_after):
            continue
        try:
            await path.check(certificate, [], [certificate], now, limits=limits)
        except (TrustError, DerError):
            continue
        best = certificate
    if best is None:
        raise TrustError("the server sent no valid self-signed root that could be approved")
    return best.raw
