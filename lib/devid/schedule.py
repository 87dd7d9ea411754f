"""When a certificate is to be renewed, and how long to wait between attempts."""

import hashlib
import os

from pki import x509


def renewal(certificate, share, who=b""):
    """Return (due, end) of a certificate (DER bytes): Unix seconds (int).

    It is due when `share` (0 to 1) of its life is over, less up to a tenth of its life that is
    this device's own, so that a fleet that was enrolled at once does not come back at once. who:
    bytes that are this device's own.
    """
    parsed = x509.Certificate(certificate)
    start, end = parsed.not_before, parsed.not_after
    life = end - start
    hasher = hashlib.sha256(who)
    hasher.update(parsed.subject)
    jitter = int.from_bytes(hasher.digest()[:4], "big") * (life // 10) >> 32
    return start + int(life * share) - jitter, end


def longest_wait(certificate, limits):
    """Return the longest wait between two attempts to renew a certificate (DER bytes), seconds:
    4 % of its life, and never more than limits.RETRY_MAX."""
    parsed = x509.Certificate(certificate)
    return max(1, min((parsed.not_after - parsed.not_before) // 25, limits.RETRY_MAX))


def backoff(tries, first, most):
    """Return seconds to wait (int): full jitter, up to `first`, doubled at each try, to `most`."""
    most = min(most, first << min(tries, 16))
    return 1 + int.from_bytes(os.urandom(4), "big") % most
