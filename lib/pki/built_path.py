"""A certification path that a TLS stack has built, and whose signatures it has verified."""

import est_limits
from est_errors import TrustError
from micropython import const

from pki import algorithms, oid
from pki.path_rules import check_issuer, check_leaf, check_purpose, label, named, named_alike

_MAX_LENGTH = const(6)  # certificates above the leaf, as in pki.path


def check(chain, now=None, purpose=None, limits=est_limits):
    """Check a path of which a TLS stack has verified the signatures, without waiting.

    chain: list of x509.Certificate, leaf first, trust anchor last; the anchor may be any
    certificate that is trusted, the leaf itself too. now, purpose, limits: see pki.path.check();
    every other check of it is made. Raises TrustError, DerError.
    """
    check_leaf(chain[0], now, purpose, limits)
    if len(chain) > _MAX_LENGTH + 1:
        raise TrustError("a path of more than %d certificates" % (_MAX_LENGTH + 1))
    for i in range(1, len(chain)):
        issuer, below = chain[i], chain[:i]
        if not named(issuer, below[-1]) and not named_alike(issuer, below[-1]):
            raise TrustError("%s is not the issuer of %s" % (label(issuer), label(below[-1])))
        check_issuer(issuer, below, now)
        if purpose is not None and i < len(chain) - 1:
            # Not of RFC 5280, but OpenSSL and browsers do so: a CA for mail is none for servers.
            check_purpose(issuer, issuer.extension(oid.EXT_KEY_USAGE), purpose)
        algorithms.check_key(issuer.public_key, limits)
        algorithms.hash_number(below[-1].signature_algorithm, limits)
