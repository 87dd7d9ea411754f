"""What a PKCS #10 request gets, and what gets no certificate (RFC 7030 4.2.1, RFC 2986).

Subject, subjectAltName, keyUsage and extKeyUsage are copied as asked; every other extension is
left out. Who may ask for which names is not decided here: in development a device names itself.
"""

from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from estctl.server.certificates import CMC_RA
from estctl.server.signing import PublicKey

_COPIED = (x509.SubjectAlternativeName, x509.KeyUsage, x509.ExtendedKeyUsage)
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_RSA_BITS = (2048, 8192)  # more costs the server seconds
_WEAK_HASHES = (hashes.MD5, hashes.SHA1)
# Powers over others: of the EST server (RFC 7030 3.6.1), of CMC servers, of the CA.
_REFUSED_USAGES = {
    CMC_RA: "id-kp-cmcRA",
    ObjectIdentifier("1.3.6.1.5.5.7.3.27"): "id-kp-cmcCA",
    ObjectIdentifier("1.3.6.1.5.5.7.3.29"): "id-kp-cmcArchive",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSPSigning",
    ExtendedKeyUsageOID.TIME_STAMPING: "timeStamping",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "anyExtendedKeyUsage",
}


class RequestRefused(Exception):
    """The CA will not issue a certificate for a request; the text says why, in one line."""


@dataclass(frozen=True)
class Wanted:
    """What an acceptable request asks for: the extensions are those that are copied."""

    subject: x509.Name
    key: PublicKey
    extensions: tuple[x509.Extension[x509.ExtensionType], ...]


def examine(request: x509.CertificateSigningRequest) -> Wanted:
    """Return what a request asks for. Raises RequestRefused where it gets no certificate."""
    try:
        _check_signature(request)
        key = _checked_key(request)
        extensions = tuple(request.extensions)
        subject = request.subject
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise RequestRefused(f"the request cannot be used: {_one_line(error)}") from None
    except x509.UnsupportedGeneralNameType as error:
        raise RequestRefused(f"a name of the request is unusable: {_one_line(error)}") from None
    for extension in extensions:
        _check_extension(extension.value)
    copied = tuple(entry for entry in extensions if isinstance(entry.value, _COPIED))
    return with_critical_names(Wanted(subject, key, copied))


def with_name_of_subject(wanted: Wanted) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    """Return the extensions with the common name as DNS name, where no names were asked for."""
    if any(isinstance(each.value, x509.SubjectAlternativeName) for each in wanted.extensions):
        return wanted.extensions
    names = [
        x509.DNSName(str(each.value))
        for each in wanted.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    ]
    san = x509.SubjectAlternativeName(names)
    return (
        (*wanted.extensions, x509.Extension(san.oid, False, san)) if names else wanted.extensions
    )


def _check_signature(request: x509.CertificateSigningRequest) -> None:
    """Refuse a request that does not prove possession of its key, or by a broken hash."""
    used = request.signature_hash_algorithm
    if isinstance(used, _WEAK_HASHES):
        raise RequestRefused(f"the request is signed with {used.name}: use SHA-256 or stronger")
    if not request.is_signature_valid:
        raise RequestRefused("the request's signature is wrong: no proof of possession")


def _checked_key(request: x509.CertificateSigningRequest) -> PublicKey:
    key = request.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
            raise RequestRefused(f"RSA keys of {key.key_size} bits get no certificate here")
        if key.public_numbers().e < 65537:
            raise RequestRefused("RSA public exponents below 65537 get no certificate here")
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES):
        return key
    raise RequestRefused("only RSA keys and EC keys on P-256, P-384 and P-521 get a certificate")


def _check_extension(value: x509.ExtensionType) -> None:
    if isinstance(value, x509.BasicConstraints) and value.ca:
        raise RequestRefused("a device gets no CA certificate: leave out CA:TRUE")
    if isinstance(value, x509.KeyUsage) and (value.key_cert_sign or value.crl_sign):
        raise RequestRefused("a device gets no keyCertSign and no cRLSign")
    if isinstance(value, x509.ExtendedKeyUsage):
        for usage in value:
            if usage in _REFUSED_USAGES:
                raise RequestRefused(f"a device gets no {_REFUSED_USAGES[usage]}")


def with_critical_names(wanted: Wanted) -> Wanted:
    """Make subjectAltName critical, as RFC 5280 4.2.1.6 demands where the subject is empty."""
    extensions = wanted.extensions
    if list(wanted.subject):
        return wanted
    if not any(isinstance(entry.value, x509.SubjectAlternativeName) for entry in extensions):
        raise RequestRefused("the request has neither a subject nor a subjectAltName")
    critical = tuple(
        x509.Extension(entry.oid, True, entry.value)
        if isinstance(entry.value, x509.SubjectAlternativeName)
        else entry
        for entry in extensions
    )
    return replace(wanted, extensions=critical)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
