"""pki.path in each interpreter against NIST's PKITS (in the PyPI package cryptography_vectors).

What NIST expects is in each name. Left out, by PKITS section:
- 4.8 to 4.12, policies, policy mapping and constraints: a device has no certificate policies;
  critical policy extensions are refused.
- 4.4, 4.14, 4.15 and the tests named below: their result comes from CRLs.
- the DSA tests of 4.1: DSA signatures are refused.
"""

import re
from importlib.resources import files

import pytest
from pki import name_match, x509

FOLDER = files("cryptography_vectors") / "x509" / "PKITS_data" / "certs"
NOW = 1577836800  # 2020-01-01: within the validity of what is valid

POLICIES = re.compile("olic|Policy|Qualifier|anyPolicy")
REVOCATION = re.compile(
    "CRL|cRLIssuer|Revoked|istributionPoint|onlySome|onlyContains|SeparateCert|"
    # Refused only for what a CRL of theirs says.
    "InvalidLongSerialNumberTest18|InvalidNegativeSerialNumberTest15|cRLSignFalse|"
    "InvalidBasicSelfIssuedNewWithOldTest5|InvalidBasicSelfIssuedOldWithNewTest2"
)
DSA = re.compile("DSA")


def certificates():
    """All certificates by name; two whose encoding is broken on purpose are None."""
    found = {}
    for file in FOLDER.iterdir():
        found[file.name.removesuffix(".crt")] = file.read_bytes()
    return found


@pytest.fixture(scope="module")
def all_certificates():
    return certificates()


def issuers(leaf, authorities):
    """Return the DER of all certificates that may stand above leaf."""
    found, todo = [], [leaf]
    while todo:
        below = todo.pop()
        for der, authority in authorities:
            if der not in found and name_match.same(authority.subject, below.issuer):
                found.append(der)
                todo.append(authority)
    return found


def test_every_section_that_a_device_needs(device, all_certificates):
    root = all_certificates["TrustAnchorRootCertificate"]
    authorities = [
        (der, x509.Certificate(der))
        for name, der in sorted(all_certificates.items())
        if not name.endswith("EE") and der != root and name != "BadSignedCACert"
    ]
    wishes, expected = [], {}
    for name, der in sorted(all_certificates.items()):
        if not re.search(r"Test\d+EE$", name):
            continue
        if any(left_out.search(name) for left_out in (POLICIES, REVOCATION, DSA)):
            continue
        pool = issuers(x509.Certificate(der), authorities)
        wishes.append(
            {
                "do": "path",
                "leaf": der.hex(),
                "pool": [one.hex() for one in pool],
                "anchors": [root.hex()],
                "now": NOW,
            }
        )
        expected[name] = name.startswith("Valid")
    answers = device.pki(*wishes)
    found = {name: "ok" in answer for name, answer in zip(expected, answers, strict=True)}
    assert found == expected
    assert len(found) == 88 and sum(found.values()) == 44
