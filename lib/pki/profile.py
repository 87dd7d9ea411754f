"""What RFC 5280 demands of a CA certificate and paths can do without: pki.path's strict checks."""

from est_errors import TrustError

from pki import oid


def check(issuer, label):
    """Raise TrustError where an x509.Certificate breaks the profile. label: its name (str)."""
    if issuer.extension(oid.SUBJECT_KEY_IDENTIFIER) is None:
        raise TrustError(label + " has no subjectKeyIdentifier (RFC 5280 4.2.1.2)")
    for kind, critical, _ in issuer.extensions():
        if kind == oid.BASIC_CONSTRAINTS and not critical:
            raise TrustError(label + ": basicConstraints is not critical (4.2.1.9)")
