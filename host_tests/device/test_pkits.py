"""pki.path and pki.revocation in each interpreter against NIST's PKITS, CRLs included.

The certificates and CRLs are those of the PyPI package cryptography_vectors; what NIST expects is
in each name. SECTIONS are run whole, each with the CRLs of its CAs as candidates: on CPython
always; on MicroPython SAMPLE in `make test` and everything in `make torture`. EXCLUDED are the
sections that are not run, and DSA the three tests of section 4.1 that are not.
"""

import re
from functools import cache
from importlib.resources import files

import pytest
from cryptography import x509 as host_x509
from pki import distribution_point, name_match, oid, x509
from signing import count

FOLDER = files("cryptography_vectors") / "x509" / "PKITS_data"
NOW = 1577836800  # 2020-01-01: within the validity of what is valid
ROOT = "TrustAnchorRootCertificate"
BROKEN = "BadSignedCACert"  # its signature is damaged: no whole octets; it is refused as no DER

# Number: (what the names of its tests have in common, how many tests NIST has in it).
SECTIONS = {
    "4.1": ("CertificatePath|CASignature|EESignature|DSA", 6),
    "4.2": ("not(Before|After)Date", 8),
    "4.3": ("NameChaining|NameUIDs|RFC3280|UTF8String", 11),
    "4.4": (
        "MissingCRL|Revoked|BadCRL|WrongCRL|TwoCRLs|UnknownCRL|CRLnextUpdate|SerialNumber"
        "|SeparateCert",
        21,
    ),
    "4.5": ("BasicSelfIssued", 8),
    "4.6": ("asicConstraints|cAFalse|pathLen", 17),
    "4.7": ("keyUsage", 5),
    "4.13": ("nameConstraints", 38),
    "4.14": ("istributionPoint|onlyContains|onlySome|IDPwith|cRLIssuer", 35),
    "4.15": ("deltaCRL", 10),
    "4.16": ("CriticalCertificateExtension", 2),
}
EXCLUDED = {
    "4.8": "certificate policies: a device has none; they restrict nothing that it does",
    "4.9": "requireExplicitPolicy: critical policy constraints are refused, not processed",
    "4.10": "policy mappings: as 4.9",
    "4.11": "inhibitPolicyMapping: as 4.9",
    "4.12": "inhibitAnyPolicy: as 4.9",
}
# Test4, Test5 and Test6 of section 4.1: DSA signatures are refused by name. NIST expects that of
# the third of them.
DSA = re.compile("DSA")

# At least a good and a bad one of each section, and one of each kind of CRL.
SAMPLE = (
    "ValidCertificatePathTest1",
    "InvalidCASignatureTest2",
    "InvalidEESignatureTest3",
    "InvalidCAnotBeforeDateTest1",
    "Validpre2000UTCnotBeforeDateTest3",
    "InvalidEEnotAfterDateTest6",
    "InvalidNameChainingTest1",
    "ValidNameChainingCapitalizationTest5",
    "ValidRolloverfromPrintableStringtoUTF8StringTest10",
    "InvalidMissingCRLTest1",
    "InvalidRevokedCATest2",
    "InvalidRevokedEETest3",
    "InvalidBadCRLSignatureTest4",
    "ValidTwoCRLsTest7",
    "InvalidUnknownCRLEntryExtensionTest8",
    "InvalidUnknownCRLExtensionTest9",
    "InvalidOldCRLnextUpdateTest11",
    "ValidGeneralizedTimeCRLnextUpdateTest13",
    "ValidLongSerialNumberTest17",
    "InvalidNegativeSerialNumberTest15",
    "ValidSeparateCertificateandCRLKeysTest19",
    "InvalidSeparateCertificateandCRLKeysTest20",
    "ValidBasicSelfIssuedOldWithNewTest1",
    "InvalidBasicSelfIssuedNewWithOldTest5",
    "ValidBasicSelfIssuedCRLSigningKeyTest6",
    "InvalidMissingbasicConstraintsTest1",
    "InvalidpathLenConstraintTest6",
    "ValidpathLenConstraintTest13",
    "InvalidkeyUsageCriticalcRLSignFalseTest4",
    "ValidkeyUsageNotCriticalTest3",
    "ValidDNnameConstraintsTest1",
    "InvalidDNnameConstraintsTest2",
    "ValidRFC822nameConstraintsTest21",
    "InvalidDNSnameConstraintsTest31",
    "InvalidURInameConstraintsTest37",
    "ValiddistributionPointTest1",
    "InvaliddistributionPointTest2",
    "ValiddistributionPointTest4",
    "InvalidonlyContainsUserCertsTest11",
    "ValidonlyContainsCACertsTest13",
    "ValidonlySomeReasonsTest18",
    "InvalidonlySomeReasonsTest21",
    "ValidIDPwithindirectCRLTest22",
    "InvalidIDPwithindirectCRLTest23",
    "ValidcRLIssuerTest30",
    "InvalidcRLIssuerTest34",
    "ValiddeltaCRLTest2",
    "InvaliddeltaCRLTest3",
    "InvaliddeltaCRLIndicatorNoBaseTest1",
    "ValidUnknownNotCriticalCertificateExtensionTest1",
    "InvalidUnknownCriticalCertificateExtensionTest2",
)


@cache
def certificates():
    """The DER of all certificates by name."""
    return {
        file.name.removesuffix(".crt"): file.read_bytes()
        for file in sorted((FOLDER / "certs").iterdir(), key=lambda file: file.name)
    }


@cache
def authorities():
    """(name, certificate) of all that may stand above another one, or sign a CRL."""
    return [
        (name, x509.Certificate(der))
        for name, der in certificates().items()
        if not name.endswith("EE") and name not in (ROOT, BROKEN)
    ]


@cache
def crls():
    """(name, DER, DER of the issuer's name) of all CRLs."""
    found = []
    for file in sorted((FOLDER / "crls").iterdir(), key=lambda file: file.name):
        der = file.read_bytes()
        issuer = host_x509.load_der_x509_crl(der).issuer.public_bytes()
        found.append((file.name.removesuffix(".crl"), der, issuer))
    return found


def section_tests(number):
    """The names of a section's tests (without EE), but for DSA."""
    pattern = re.compile(SECTIONS[number][0])
    names = [name[:-2] for name in certificates() if re.search(r"Test\d+EE$", name)]
    return [name for name in names if pattern.search(name)]


def bag(leaf):
    """The names that matter to a leaf's path and its CRLs; the authorities that have them."""
    names, found, todo = [], [], [leaf]
    while todo:
        below = todo.pop()
        points = below.extension(oid.CRL_DISTRIBUTION_POINTS)
        named = [bytes(below.issuer)]
        for point in distribution_point.points(points) if points is not None else ():
            named += point.issuers
        for wanted in named:
            if any(name_match.same(wanted, known) for known in names):
                continue
            names.append(wanted)
            for label, authority in authorities():
                if name_match.same(authority.subject, wanted):
                    found.append((label, authority))
                    todo.append(authority)
    return names, found


def wish(test):
    leaf = x509.Certificate(certificates()[test + "EE"])
    names, pool = bag(leaf)
    pool_ders = [one.raw for _, one in pool]
    if test == "InvalidCASignatureTest2":
        pool_ders.append(certificates()[BROKEN])
    labels = [label.removesuffix("Cert") + "CRL" for label, _ in pool]
    lists = [
        der.hex()
        for label, der, issuer in crls()
        if label in labels or any(name_match.same(issuer, one) for one in names)
    ]
    return {
        "do": "path",
        "leaf": leaf.raw.hex(),
        "pool": [der.hex() for der in pool_ders],
        "anchors": [certificates()[ROOT].hex()],
        "now": NOW,
        "crls": lists,
    }


@pytest.mark.parametrize("number", SECTIONS)
def test_section(device, torture, tally, number):
    tests = [name for name in section_tests(number) if not DSA.search(name)]
    if device.name != "cpython" and not torture:
        tests = [name for name in tests if name in SAMPLE]
        assert tests
    answers = device.pki(*map(wish, tests))
    for name, answer in zip(tests, answers, strict=True):
        assert ("ok" in answer) == name.startswith("Valid"), (name, answer)
    count(tally, answers)
    assert tally.nothing_lost()


def test_every_test_of_nist_is_in_one_section():
    names = {name for name in certificates() if re.search(r"Test\d+EE$", name)}
    counted = [name for number in SECTIONS for name in section_tests(number)]
    assert {number: len(section_tests(number)) for number in SECTIONS} == {
        number: count for number, (_, count) in SECTIONS.items()
    }
    assert len(counted) == len(set(counted)) == 161
    policies = [name for name in names if name[:-2] not in counted]
    assert all(re.search("olic|Qualifier|Mapping", name) for name in policies), policies
    assert set(SAMPLE) <= set(counted)


def test_dsa_is_refused_by_name(device):
    tests = [name for name in section_tests("4.1") if DSA.search(name)]
    assert len(tests) == 3
    pool = [der.hex() for name, der in certificates().items() if re.match("DSA.*Cert$", name)]
    common = {"do": "path", "pool": pool, "anchors": [certificates()[ROOT].hex()], "now": NOW}
    answers = device.pki(*({**common, "leaf": certificates()[t + "EE"].hex()} for t in tests))
    for name, answer in zip(tests, answers, strict=True):
        # The damaged signature of the invalid one is no whole number of octets.
        text = "BIT STRING" if name.startswith("Invalid") else "1.2.840.10040.4.1"
        assert text in answer["error"], (name, answer)


def test_why_a_certificate_is_refused(device):
    cases = {
        "InvalidRevokedEETest3": "Test3 (serial 0f) was revoked on 2010-01-01 08:30:01Z: its key",
        "InvalidMissingCRLTest1": "not known whether",
        "InvalidOldCRLnextUpdateTest11": "has expired",
        "InvalidBadCRLSignatureTest4": "BIT STRING",
        "InvalidUnknownCRLExtensionTest10": "unknown critical extension",
        "InvalidonlySomeReasonsTest17": "only some reasons",
    }
    answers = device.pki(*map(wish, cases))
    for answer, text in zip(answers, cases.values(), strict=True):
        assert text in answer["error"], answer
