"""This library against `cryptography` and `asn1crypto`, on valid structures and on broken ones.

What all of them read, they have to read alike. Where one refuses what another takes, the reason
belongs to a class below, and each class is decided there; one that nobody has looked at fails.
"""

import sys
from random import Random

import pytest
from breaking import broken
from corpus import files
from hypothesis import given, settings
from hypothesis import strategies as st
from readers import READERS, tried
from structures import STRATEGIES

# What was read is compared as text, and a serial number may be longer than Python shows.
sys.set_int_max_str_digits(0)

_DER = "we are right: X.690 has one form of it, and asn1crypto reads BER (Rust's OpenSSL, in CMS)"
_LAZY = (
    "we are right: it belongs there by RFC 5280; they did not look, as they read it when asked,"
    " or take an element of another kind for an absent optional one"
)
_LIMIT = "a limit of ours, far above what RFC 5280 and real CAs have: a board has to end somewhere"
_PROFILE = "we are right by RFC 5280, which asks a reader to check it; they leave it to the caller"
_NUMBERS = (
    "we are right: a key from elsewhere has to be whole, and its numbers have to belong together;"
    " asn1crypto computes nothing, and Rust checks what it needs"
)
_OTHER_KEY = "both right: a kind of key that we have no use for"
_TEMPLATE = "we are right by RFC 9908 3.4; asn1crypto knows no templates"
_SHOWN = (
    "both right: we show names to people and to logs, so they have to be text without controls"
)

# Why we refuse what one of them takes.
WE_REFUSE = {
    "DER: length is not minimal": _DER,
    "DER: indefinite length": _DER,
    "DER: empty INTEGER": _DER,
    "DER: INTEGER is not minimal": _DER,
    "DER: bad BOOLEAN": _DER,
    "DER: bad NULL": _DER,
    "DER: truncated OBJECT IDENTIFIER": _DER,
    "DER: OBJECT IDENTIFIER is not minimal": _DER,
    "DER: bad BIT STRING": _DER,
    "DER: unused bits of a BIT STRING are set": _DER,
    "DER: an indefinite length is never closed": _DER,
    "DER: N bytes follow the end of a value": "we are right: what a value does not hold is no part"
    " of it, and a signature over it would say nothing of the rest; they pass it over",
    "DER: tag N where N belongs": _LAZY,
    "DER: a value is missing": _LAZY,
    "DER: a value is longer than what holds it": _LAZY,
    "DER: bad length": _LAZY,
    "DER: truncated": _LAZY,
    "DER: bad time": _LAZY,
    "CRL: a date is missing": _LAZY,
    "CRL: bad entry": _LAZY,
    "CRL: bad date in an entry": _LAZY,
    "CRL: its parts are not as long as it says": _LAZY,
    "DER: BIT STRING is not a whole number of octets": _LAZY,
    "DER: a name is missing": _LAZY,
    "DER: a name without a value": _LAZY,
    "DER: an IP address of N octets": _LAZY,
    "CMS: this is not SignedData": _LAZY,
    "DER: nested deeper than N levels": _LIMIT,
    "DER: an INTEGER of N octets": _LIMIT,
    "DER: an OBJECT IDENTIFIER of N octets": _LIMIT,
    "DER: tags of more than one octet are not used here": _LIMIT,
    "DER: an element of N bytes where at most N go": _LIMIT,
    "an element is longer than the buffer of N bytes": _LIMIT,
    "CRL: an entry of more than N KB": _LIMIT,
    "N bytes are more than this board takes (N)": _LIMIT,
    "more than N extensions are asked for": _LIMIT,
    "CMS: more than N certificates": _LIMIT,
    "DER: a certificate names two different signature algorithms": _PROFILE,  # 4.1.1.2
    "CRL: it names two different signature algorithms": _PROFILE,  # 5.1.1.2
    "DER: the same extension twice": _PROFILE,  # 4.2
    "CRL: the same extension twice": _PROFILE,  # 5.2
    "the same extension is asked for twice": _PROFILE,
    "DER: a certificate of version N": _PROFILE,  # 4.1.2.1
    "DER: extensions in a certificate of version N": _PROFILE,  # 4.1.2.9
    "CRL: version N": _PROFILE,
    "CRL: extensions in a CRL of version N": _PROFILE,  # 5.1.2.1
    "DER: a negative path length": _PROFILE,
    "the CRL has an entry with the unknown critical extension N": _PROFILE,  # 5.3
    "the CRL has the unknown critical extension N": _PROFILE,  # 5.2
    "signatures with N are not accepted": "both right: a CRL of which the signature cannot be"
    " verified is of no use to us",
    "RSA-PSS with SHA-N, or with two different hashes, is not accepted": "as the line above",
    "RSA-PSS with another hash than SHA-N is not accepted": "as the line above",
    "RSA-PSS with another mask than MGFN is not accepted": "as the line above",
    "RSA-PSS: bad salt length": "as the line above",
    "RSA-PSS: bad trailer field": "as the line above",
    "this is no PKCS #N private key, or a damaged one": _NUMBERS,
    "this is no SEC N or PKCS #N private key, or a damaged one": _NUMBERS,
    "a damaged RSA key: its numbers do not belong together": _NUMBERS,
    "the private key's public key is not its own": _NUMBERS,
    "the private key is out of range": _NUMBERS,
    "the private key is not a PN key": _NUMBERS,
    "RSA: the public exponent is not accepted": _NUMBERS,
    "RSA: negative numbers in a key": _NUMBERS,
    "RSA keys of N bits are not accepted: at most N": _LIMIT,
    "keys of the kind N are not accepted": _OTHER_KEY,
    "keys on the curve N are not accepted": _OTHER_KEY,
    "keys on the curve PN (N) are not accepted": _OTHER_KEY,
    "keys on the curve secpNkN (N) are not accepted": _OTHER_KEY,
    "DER: a name's value is not a string": _SHOWN,
    "DER: a string is not UTFN": _SHOWN,
    "DER: a control character in a name": _SHOWN,
    "more than one template, or an empty one (RFC N)": _TEMPLATE,
    "a template of another version": _TEMPLATE,
    "an empty RDN in the template": _TEMPLATE,
}

_EAGER = (
    "both right: they parse parts that we only copy, compare byte by byte, or read when they are"
    " needed (signed by whom we trust: unknown extensions, signers of a certs-only message, the"
    " rest of a request, which is our own); what is read of them later is checked then"
)
_ORDER = (
    "they are right by X.690 11.6; we take a SET OF in any order, as real names have it, and"
    " compare names in order or sorted (RFC 5280 7.1)"
)
_RULE = "both right: a rule about the meaning, of an extension that we do not obey or only copy"
_NAME = (
    "they are right by X.501 that an RDN is not empty and has a type once; nothing depends on it"
    " here: names are compared whole, and shown"
)
_FULL_KEY = (
    "both right: RFC 5915 leaves parameters out where they are known, and our only curve is"
    " known; behind the curve's name in them may stand what nobody reads"
)

# Why `cryptography` refuses what we take.
RUST_REFUSES = {
    "UnexpectedTag": _EAGER,
    "InvalidTag": _EAGER,
    "InvalidLength": _EAGER,
    "InvalidValue": _EAGER,
    "InvalidSize": _EAGER,
    "ShortData": _EAGER,
    "ExtraData": _EAGER,
    "IntegerOverflow": _EAGER,
    "EncodedDefault": _EAGER,
    "OidTooLong": _EAGER,
    "Unable to parse PKCS7 data": _EAGER,  # OpenSSL, which reads the BER for it
    "InvalidSetOrdering": _ORDER,
    "duplicate attributes": _NAME,
    "relative distinguished name cannot be empty": _NAME,
    "must be a non-empty list": _RULE,
    "Only single-valued attributes": _RULE,
    "encipher_only and decipher_only": _RULE,
    "a rule": _RULE,
    "its own error": "we are right: it fails to make a Python object of a value that it parsed",
    "UnicodeError": _EAGER,
    "InvalidVersion": _EAGER,  # of a certificate in a message: looked at when it is used
    "DuplicateExtension": "they are right by RFC 5280 4.2; we notice where we look an extension"
    " up, and nothing depends on one that nobody looks up",
    "Could not deserialize key data": _FULL_KEY,
    "Invalid key": _FULL_KEY,
}
# Why asn1crypto does.
PYTHON_REFUSES = {
    "should have been": _EAGER,
    "Insufficient data": _EAGER,
    "trailing data": _EAGER,
    "Extra data": _EAGER,
    "is missing": _EAGER,
    "Unknown element": _EAGER,
    "does not match": _EAGER,
    "did not match the class and tag": _EAGER,
    "Indefinite-length element must be constructed": _EAGER,
    "unused bits": _EAGER,
    "Non-minimal tag": _EAGER,
    "must be in": _EAGER,
    "Error parsing": _EAGER,
    "a rule": _EAGER,
    "its own error": "we are right: it has no name for a value that is unknown to it, and fails",
    "UnicodeError": _EAGER,
}
DECIDED = {"we": WE_REFUSE, "rust": RUST_REFUSES, "python": PYTHON_REFUSES}


def _compare(name, octets, tally):
    """Compare the readers of a format on some octets; count, and look for what is undecided."""
    found = {who: tried(read, octets) for who, read in READERS[name].items()}
    refusing = [who for who in found if found[who][1]]
    tally.tried += 1
    tally.failed_cleanly += "we" in refusing
    tally.recovered += "we" not in refusing
    if not refusing:
        values = {repr(value) for value, _ in found.values()}
        assert len(values) == 1, f"{name}: they read {values} of\n{octets.hex()}"
    elif len(refusing) < len(found):
        # Where we are among those who refuse, it is our reason that needs one.
        for who in ["we"] if "we" in refusing else refusing:
            reason = found[who][1]
            assert reason in DECIDED[who], f"{name}: {who} alone: {reason!r}, of\n{octets.hex()}"


@pytest.mark.timeout(1800)  # with --torture, on a busy machine
@pytest.mark.parametrize("name", READERS)
def test_what_one_takes_and_another_refuses_is_decided(name, tally, torture):
    tally.subject = "parsers"

    @settings(max_examples=250 if torture else 5)
    @given(STRATEGIES[name], st.integers(0, 1 << 64))
    def check(valid, seed):
        _compare(name, valid, tally)
        random = Random(seed)
        for _ in range(16):
            _compare(name, broken(valid, random), tally)

    check()
    for path in files(name):
        _compare(name, path.read_bytes(), tally)
    assert tally.nothing_lost()


@pytest.mark.parametrize("name", READERS)
def test_a_valid_structure_is_valid_for_us(name):
    """So that the comparison compares something: most of what is made is read."""
    taken = []

    @settings(max_examples=10)
    @given(STRATEGIES[name])
    def check(valid):
        taken.append(not tried(READERS[name]["we"], valid)[1])

    check()
    assert all(taken)
