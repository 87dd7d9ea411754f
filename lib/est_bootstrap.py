"""Bootstrap by fingerprint (RFC 7030 4.1.1 and 4.1.3): which certificates of the answer count."""

from binascii import hexlify

from est_errors import TrustError
from pki import path, signature, x509


async def pinned(received, fingerprint, now):
    """Return (the anchor as DER bytes, the certificates that chain to it as a list of DER).

    received: DER certificates of an unverified /cacerts response. fingerprint: SHA-256 or SHA-512
    (32 or 64 bytes) of the root that a person has confirmed. now: Unix seconds. Everything else in
    the response is path-validated to that root, or left out. Raises TrustError where no
    certificate matches, or where the one that does is no valid root.
    """
    number = 1 if len(fingerprint) == 32 else 3
    found = [signature.digest(number, raw) for raw in received]
    anchor = None
    if fingerprint in found:
        anchor = x509.Certificate(received[found.index(fingerprint)])
    if anchor is None:
        raise TrustError(
            "no CA certificate has the fingerprint %s; the server sent %s"
            % (
                hexlify(fingerprint).decode(),
                ", ".join([hexlify(digest).decode() for digest in found]) or "none",
            )
        )
    if not anchor.self_issued:
        raise TrustError("the certificate with this fingerprint is not a self-signed root")
    await path.check(anchor, [], [anchor], now)  # its own signature, validity and CA flag
    pool = []
    for raw in received:
        if raw != anchor.raw:
            pool.append(x509.Certificate(raw))
    kept = [anchor.raw]
    for certificate in pool:
        try:
            await path.check(certificate, pool, [anchor], now)
        except TrustError:
            continue  # not of this CA: never used
        kept.append(certificate.raw)
    return anchor.raw, kept
