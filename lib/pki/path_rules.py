"""What each certificate of a path has to fulfil (RFC 5280 6.1), all but the signatures.

Name chaining, validity, CA flag, path length, keyUsage, extKeyUsage of the leaf, name constraints,
unknown critical extensions and the sizes of keys. Policies are not looked at: critical policy
constraints are refused. pki.path finds paths; pki.built_path takes one that TLS has found.
"""

import unix_time
from est_errors import DerError, TrustError

from pki import algorithms, oid, x509

# Critical extensions that are processed here, or that do not restrict what this library does.
_KNOWN = (
    oid.BASIC_CONSTRAINTS,
    oid.KEY_USAGE,
    oid.SUBJECT_ALT_NAME,
    oid.EXT_KEY_USAGE,
    oid.NAME_CONSTRAINTS,
)


def check_leaf(leaf, now, purpose, limits):
    """Check what a certificate says about itself (RFC 5280 6.1.3 and 6.1.5)."""
    values = _extensions(leaf)
    _check_validity(leaf, now)
    ca, _ = x509.basic_constraints(values.get(oid.BASIC_CONSTRAINTS))
    if not ca and (x509.key_usage(values.get(oid.KEY_USAGE)) or 0) >> x509.KEY_CERT_SIGN & 1:
        raise TrustError(label(leaf) + " may sign certificates without being a CA")
    if purpose is not None:
        check_purpose(leaf, values.get(oid.EXT_KEY_USAGE), purpose)
    algorithms.check_key(leaf.public_key, limits)


def check_purpose(certificate, usage, purpose):
    """Check that an extKeyUsage (its value, or None) allows a purpose (RFC 5280 4.2.1.12)."""
    if not x509.allows(usage, purpose):
        raise TrustError("%s is not meant for this purpose (extKeyUsage)" % label(certificate))


def check_issuer(issuer, below, now):
    """Check that a certificate may issue others, at this height (RFC 5280 6.1.4 k to n)."""
    values = _extensions(issuer)
    _check_validity(issuer, now)
    ca, length = x509.basic_constraints(values.get(oid.BASIC_CONSTRAINTS))
    if len(issuer.subject) == 2:
        raise TrustError("a CA certificate has no subject (RFC 5280 4.1.2.6)")
    if not ca:
        raise TrustError(label(issuer) + " is not a CA certificate")
    usage = x509.key_usage(values.get(oid.KEY_USAGE))
    if usage is not None and not usage >> x509.KEY_CERT_SIGN & 1:
        raise TrustError(label(issuer) + " may not sign certificates (keyUsage)")
    # Self-issued ones, as of a key rollover, count for neither of these (6.1.4 l, 6.1.3 b).
    others = [other for other in below[1:] if not other.self_issued]
    if length is not None and len(others) > length:
        raise TrustError(label(issuer) + " allows only %d certificates below it" % length)
    constraints = values.get(oid.NAME_CONSTRAINTS)
    if constraints is not None:
        from pki import name_constraints

        for certificate in below[:1] + others:
            name_constraints.check(constraints, certificate)


def named(issuer, certificate):
    """Return whether the issuer's subject is the certificate's issuer, byte by byte."""
    return issuer.subject == certificate.issuer


def named_alike(issuer, certificate):
    """Return whether they are the same name, but not byte by byte (RFC 5280 7.1)."""
    from pki import name_match

    try:
        return not named(issuer, certificate) and name_match.same(
            issuer.subject, certificate.issuer
        )
    except DerError:
        return False  # a name that cannot be read is nobody's


def _extensions(certificate):
    """Return the values of a certificate's extensions (dict by OID), read in one go.

    Raises TrustError where a critical one is unknown.
    """
    found = {}
    for kind, critical, value in certificate.extensions():
        if critical and kind not in _KNOWN:
            from pki import oid_text

            raise TrustError("unknown critical extension " + oid_text.dotted(kind))
        found[kind] = value
    return found


def _check_validity(certificate, now):
    if now is None:
        return
    if now < certificate.not_before:
        raise TrustError(
            "%s is not valid yet; the clock says %s: is it set?"
            % (label(certificate), unix_time.text(now))
        )
    if now > certificate.not_after:
        raise TrustError(
            "%s has expired; the clock says %s" % (label(certificate), unix_time.text(now))
        )


def label(certificate):
    """Return a certificate's subject (str), for messages."""
    from pki import name

    return name.text(certificate.subject)
