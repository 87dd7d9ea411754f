"""The same formats read by three: this library, `cryptography` (Rust) and `asn1crypto` (Python).

READERS gives for each format a function of each of them, which returns what it read, in a form
that all of them have, or raises. tried() tells the two apart.
"""

import datetime
import re
import warnings
from collections.abc import Callable
from typing import Any

import targets
from asn1crypto import cms as asn1_cms
from asn1crypto import core, keys, parser
from asn1crypto import crl as asn1_crl
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1_x509
from cryptography import x509 as rust_x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates
from est_errors import EstError
from pki import (
    cms,
    crl,
    csrattrs,
    der,
    der_writer,
    general_name,
    key_kind,
    name,
    oid,
    oid_text,
    private_key,
    x509,
)

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_EXTENSION_REQUEST = oid_text.encode("1.2.840.113549.1.9.14")


def _seconds(when: datetime.datetime) -> int:
    return int((when - _EPOCH).total_seconds())


# Certificates: what is read of them, and whether the extensions that we know can be read.
def _our_certificate(octets):
    one = x509.Certificate(octets)
    kinds = [kind for kind, _, _ in one.extensions()]
    name.decode(one.subject)
    name.decode(one.issuer)
    names = one.extension(oid.SUBJECT_ALT_NAME)
    if names is not None:
        general_name.decode(names)
    assert (one.basic_constraints, one.key_usage, one.subject_key_identifier) is not None
    key_kind.of_key(one.public_key)
    serial = int.from_bytes(bytes(one.serial), "big", signed=True)
    dates = one.not_before, one.not_after
    return serial, dates, bytes(one.subject), bytes(one.tbs), kinds


def _rust_certificate(octets):
    one = rust_x509.load_der_x509_certificate(octets)
    kinds = [oid_text.encode(each.oid.dotted_string) for each in one.extensions]
    assert (one.issuer, one.version) is not None
    dates = _seconds(one.not_valid_before_utc), _seconds(one.not_valid_after_utc)
    return one.serial_number, dates, one.subject.public_bytes(), one.tbs_certificate_bytes, kinds


def _python_certificate(octets):
    one = asn1_x509.Certificate.load(octets, strict=True)
    tbs = one["tbs_certificate"]
    assert one.native
    kinds = [each["extn_id"].contents for each in tbs["extensions"]] if tbs["extensions"] else []
    dates = tuple(_seconds(tbs["validity"][end].native) for end in ("not_before", "not_after"))
    return tbs["serial_number"].native, dates, tbs["subject"].dump(), tbs.dump(), kinds


# The extensions in an attribute of a request, or of CsrAttrs.
def _our_extensions(octets):
    found = []
    csrattrs.read_extensions(der.sequence(octets), found)
    return [(kind, critical) for kind, critical, _ in found]


def _rust_extensions(octets):
    """Read them as an extensionRequest of a request, which is the form that it knows."""
    attribute = der_writer.tlv(
        0x30, der_writer.oid(_EXTENSION_REQUEST), der_writer.tlv(0x31, octets)
    )
    information = der_writer.tlv(
        0x30, der_writer.integer(0), b"\x30\0", _SPKI, der_writer.tlv(0xA0, attribute)
    )
    request = der_writer.tlv(0x30, information, _ECDSA, der_writer.bit_string(b"0"))
    found = rust_x509.load_der_x509_csr(request).extensions
    return [(oid_text.encode(each.oid.dotted_string), each.critical) for each in found]


def _python_extensions(octets):
    found = asn1_x509.Extensions.load(octets, strict=True)
    assert found.native is not None
    return [(each["extn_id"].contents, each["critical"].native) for each in found]


_ECDSA = der_writer.tlv(0x30, der_writer.oid(oid_text.encode("1.2.840.10045.4.3.2")))
_EC = der_writer.oid(oid_text.encode("1.2.840.10045.2.1")) + der_writer.oid(
    oid_text.encode("1.2.840.10045.3.1.7")
)
_SPKI = der_writer.tlv(0x30, der_writer.tlv(0x30, _EC), der_writer.bit_string(b"\x04" + b"0" * 64))


# Requests: the key in them.
def _our_request(octets):
    return bytes(x509.request_public_key(octets))


def _rust_request(octets):
    rust_x509.load_der_x509_csr(octets)
    return _ours(_our_request, octets)


def _python_request(octets):
    one = asn1_csr.CertificationRequest.load(octets, strict=True)
    assert one.native
    return one["certification_request_info"]["subject_pk_info"].dump()


# CsrAttrs: asn1crypto is told what it is; `cryptography` has nothing for it.
class _AttrOrOid(core.Choice):
    _alternatives = [("oid", core.ObjectIdentifier), ("attribute", asn1_csr.CRIAttribute)]


class _AnyAttribute(core.Sequence):
    _fields = [("type", core.ObjectIdentifier), ("values", core.SetOf, {"spec": core.Any})]


_AttrOrOid._alternatives[1] = ("attribute", _AnyAttribute)


class _CsrAttrs(core.SequenceOf):
    _child_spec = _AttrOrOid


def _our_csrattrs(octets):
    found = csrattrs.CsrAttributes(octets)
    kinds = sorted(found.oids + [kind for kind, _ in found.attributes])
    assert all(oid_text.dotted(kind) for kind in kinds)  # as people are shown them
    return kinds


def _python_csrattrs(octets):
    kinds = []
    for one in _CsrAttrs.load(octets, strict=True):
        if one.name == "oid":
            kinds.append(one.chosen.contents)
        else:
            kinds.append(one.chosen["type"].contents)
            assert len(one.chosen["values"]) >= 0
    return sorted(kinds)


# Certs-only messages: the certificates.
def _our_cms(octets):
    return cms.certificates(octets, 8)


def _rust_cms(octets):
    """Return them as they came: OpenSSL, which reads the BER for it, writes them anew."""
    count = len(load_der_pkcs7_certificates(octets))
    found = _ours(_our_cms, octets)
    return found if found is not None and len(found) == count else count


def _ours(read, octets):
    """Return what we read, where another reader only tells whether it is right; or None."""
    try:
        return read(octets)
    except EstError:
        return None


def _python_cms(octets):
    one = asn1_cms.ContentInfo.load(octets, strict=True)
    assert one["content_type"].native == "signed_data"
    signed = one["content"]
    # Before it reads what is in them: some of that it writes anew.
    found = [each.dump() for each in signed["certificates"]] if signed["certificates"] else []
    assert signed.native is not None
    return found


# CRLs: issuer, dates, and the date of the entry with the serial number 5.
def _our_crl(octets):
    view = memoryview(bytearray(512))
    scan = crl.scan(targets.Source(octets, 1 << 20), view, targets.ISSUER, targets.SERIAL)
    one = targets._awaited(scan)
    return one.issuer, one.this_update, one.next_update


def _rust_crl(octets):
    one = rust_x509.load_der_x509_crl(octets)
    assert (list(one), list(one.extensions)) is not None
    upcoming = one.next_update_utc
    return (
        one.issuer.public_bytes(),
        _seconds(one.last_update_utc),
        None if upcoming is None else _seconds(upcoming),
    )


def _python_crl(octets):
    one = asn1_crl.CertificateList.load(octets, strict=True)
    assert one.native
    tbs = one["tbs_cert_list"]
    upcoming = tbs["next_update"].native
    return (
        tbs["issuer"].dump(),
        _seconds(tbs["this_update"].native),
        None if upcoming is None else _seconds(upcoming),
    )


# Private keys: the public key of each.
def _our_key(octets):
    return targets._awaited(private_key.read(octets))[1]


def _rust_key(octets):
    public = load_der_private_key(octets, None).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _python_key(octets):
    """Read PKCS #8 alone; it computes nothing, so that there is nothing to compare."""
    assert keys.PrivateKeyInfo.load(octets, strict=True).native
    return _ours(_our_key, octets)


# Any DER.
def _our_der(octets):
    targets._walk(der.Reader(octets))
    return len(octets)


def _python_der(octets):
    whole = octets
    while octets:
        consumed = _parsed(octets)
        octets = octets[consumed:]
    return len(whole)


def _parsed(octets, depth=0):
    """Parse one element and what is in it; return its length."""
    _, method, _, head, contents, tail = parser.parse(octets)
    if method == 1:
        left = contents
        while left:
            left = left[_parsed(left, depth + 1) :]
    return len(head) + len(contents) + len(tail)


READERS: dict[str, dict[str, Callable[[bytes], Any]]] = {
    "x509": {"we": _our_certificate, "rust": _rust_certificate, "python": _python_certificate},
    "extension_request": {
        "we": _our_extensions,
        "rust": _rust_extensions,
        "python": _python_extensions,
    },
    "request": {"we": _our_request, "rust": _rust_request, "python": _python_request},
    "csrattrs": {"we": _our_csrattrs, "python": _python_csrattrs},
    "cms": {"we": _our_cms, "rust": _rust_cms, "python": _python_cms},
    "crl": {"we": _our_crl, "rust": _rust_crl, "python": _python_crl},
    "private_key": {"we": _our_key, "rust": _rust_key, "python": _python_key},
    "der": {"we": _our_der, "python": _python_der},
}


def tried(read: Callable[[bytes], Any], octets: bytes) -> tuple[Any, str]:
    """Return (what was read, ""), or (None, the reason why not, without its numbers)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(octets), ""
    except EstError as error:
        return None, re.sub(r"0x\w+|-?\d[\d.]*", "N", error.message)
    except Exception as error:
        return None, _theirs(error)
    except BaseException as error:  # a panic of Rust is none of Exception
        if type(error).__name__ != "PanicException":
            raise
        return None, "a panic"


_PHRASES = (  # of their messages; what follows tells the element and the octets
    "should have been",
    "Insufficient data",
    "trailing data",
    "Extra data",
    "is missing",
    "Unknown element",
    "does not match",
    "Unable to parse PKCS7 data",
    "Could not deserialize key data",
    "Indefinite-length element must be constructed",
    "did not match the class and tag",
    "unused bits",
    "Non-minimal tag",
    "must be in",
    "must be a non-empty list",
    "Only single-valued attributes",
    "encipher_only and decipher_only",
    "relative distinguished name cannot be empty",
    "duplicate attributes",
    "Invalid key",
    "Error parsing",
)


def _theirs(error: Exception) -> str:
    """Return what kind of refusal it is."""
    text = str(error)
    kind = re.search(r"kind: (\w+)", text)
    if kind:
        return kind[1]
    for phrase in _PHRASES:
        if phrase in text:
            return phrase
    if isinstance(error, UnicodeError):
        return "UnicodeError"
    if isinstance(error, (LookupError, AttributeError, TypeError, OverflowError)):
        return "its own error"
    # What is left of ValueError are rules about what something means.
    return "a rule" if type(error) is ValueError else type(error).__name__
