"""The rules of RFC 5280 for certificates and paths that PKITS and x509-limbo leave out.

RULES says for each rule of sections 4.1, 4.2 and 6.1 what shows it. Certificates are written here
octet by octet and signed by a real key, so that they can break one rule and no other. What is
accepted although an issuer may not write it is decided beside its case.
"""

import re
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pki import der, der_writer, general_name, oid, oid_text
from signing import count

# Rule: the tests that show it, here or in the files beside; or why it does not arise.
RULES = {
    "4.1 Certificate ::= SEQUENCE, DER": "test_the_outer_form test_every_truncation_is_refused",
    "4.1.1.2 signatureAlgorithm, 4.1.2.3 signature": "test_the_two_algorithms",
    "4.1.1.3 signatureValue": "test_the_outer_form test_a_changed_certificate",
    "4.1.2.1 version": "test_versions",
    "4.1.2.2 serialNumber": "test_serial_numbers test_section",
    "4.1.2.4 issuer, 4.1.2.6 subject": "test_names_that_are_empty_or_broken test_every_case",
    "4.1.2.5 validity": "test_validity test_dates test_section",
    "4.1.2.7 subjectPublicKeyInfo": "test_points_that_are_none test_keys_that_are_none",
    "4.1.2.8 unique identifiers": "test_unique_identifiers",
    "4.1.2.9 extensions": "test_the_form_of_extensions",
    "4.2 critical extensions": "test_critical_extensions test_an_unknown_critical_extension",
    "4.2.1.1 authorityKeyIdentifier": "test_key_identifiers test_every_case",
    "4.2.1.2 subjectKeyIdentifier": "test_key_identifiers test_every_case",
    "4.2.1.3 keyUsage": "test_key_usage test_section",
    "4.2.1.4, 4.2.1.5, 4.2.1.11, 4.2.1.14 policies": "test_critical_extensions",
    "4.2.1.6, 4.2.1.7 alternative names": "test_critical_extensions test_every_case",
    "4.2.1.8 subjectDirectoryAttributes": "test_critical_extensions",
    "4.2.1.9 basicConstraints": "test_basic_constraints test_section test_the_path_length",
    "4.2.1.10 nameConstraints": "test_name_constraints test_name_constraints_of_each_kind "
    "test_names_that_pass_constraints_only_at_first_sight",
    "4.2.1.12 extKeyUsage": "test_extended_key_usage test_every_case",
    "4.2.1.13, 4.2.1.15 distribution points": "test_critical_extensions test_section",
    "4.2.2 private Internet extensions": "test_critical_extensions test_every_case",
    "6.1.1 (a) the path ends at an anchor": "test_no_way_to_an_anchor",
    "6.1.1 (d) the anchor is any certificate": "test_a_path_that_tls_has_built test_versions",
    "6.1.1 (c), (e) to (g) policies": "not processed; critical ones are refused: 4.2.1.4",
    "6.1.3 (a)(1) signature": "test_a_changed_certificate test_no_way_to_an_anchor",
    "6.1.3 (a)(2) validity": "test_validity_of_each_certificate",
    "6.1.3 (a)(3) revocation": "test_section",
    "6.1.3 (a)(4) name chaining": "test_no_way_to_an_anchor test_section",
    "6.1.3 (b), (c) name constraints": "test_name_constraints test_section test_every_case",
    "6.1.4 (k) cA": "test_an_issuer_that_is_no_ca test_versions",
    "6.1.4 (l), (m) path length": "test_the_path_length test_section",
    "6.1.4 (n) keyCertSign": "test_an_issuer_that_may_not_sign test_key_usage",
    "6.1.4 (o), 6.1.5 (f) critical extensions": "test_an_unknown_critical_extension",
}

NOW = 1780272000  # 2026-06-01
START, END = der_writer.tlv(0x17, b"260101000000Z"), der_writer.tlv(0x17, b"270101000000Z")
ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA384 = bytes.fromhex("300a06082a8648ce3d040303")
VERSION_3 = b"\xa0\x03\x02\x01\x02"
VALIDITY = der_writer.tlv(der.SEQUENCE, START, END)
NULL, TRUE, FALSE = b"\x05\0", b"\x01\x01\xff", b"\x01\x01\0"
SERVER_AUTH = bytes.fromhex("2b06010505070301")
CA_TRUE = der_writer.tlv(0x30, TRUE)


@cache
def key(number):
    return ec.generate_private_key(ec.SECP256R1())


def sequence(*parts):
    return der_writer.tlv(der.SEQUENCE, *parts)


def common_name(text):
    value = der_writer.tlv(0x0C, text.encode())
    return sequence(der_writer.tlv(0x31, sequence(der_writer.oid(b"\x55\x04\x03"), value)))


def extension(kind, value, critical=TRUE):
    """An Extension; critical: its BOOLEAN as it is to be written, or b""."""
    kind = kind if isinstance(kind, bytes) else oid_text.encode(kind)
    return sequence(der_writer.oid(kind), critical, der_writer.tlv(der.OCTET_STRING, value))


BASIC = extension(oid.BASIC_CONSTRAINTS, CA_TRUE)
USAGE = extension(oid.KEY_USAGE, der_writer.named_bits(1 << 5 | 1 << 6))


def made(
    subject,
    holder,
    issuer,
    signer,
    extensions=(),
    version=VERSION_3,
    serial=b"\x02\x01\x05",
    inner=ECDSA_SHA256,
    outer=None,
    validity=VALIDITY,
    unique=b"",
    wrapped=None,
    behind=b"",
    signature=lambda octets: der_writer.bit_string(octets),
    around=lambda *parts: sequence(*parts),
):
    """The DER of a certificate, of which each part can be another one."""
    public = key(holder).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    names = [one if isinstance(one, bytes) else common_name(one) for one in (issuer, subject)]
    if wrapped is None:
        wrapped = der_writer.tlv(0xA3, sequence(*extensions)) if extensions else b""
    tbs = sequence(
        version, serial, inner, names[0], validity, names[1], public, unique, wrapped, behind
    )
    signed = key(signer).sign(tbs, ec.ECDSA(hashes.SHA256()))
    return around(tbs, outer or inner, signature(signed))


def root(*extensions, **parts):
    return made("root", 0, "root", 0, extensions or (BASIC, USAGE), **parts)


def ca(*extensions, **parts):
    return made("ca", 1, "root", 0, extensions or (BASIC, USAGE), **parts)


def leaf(*extensions, **parts):
    return made("leaf", 2, "ca", 1, extensions, **parts)


def judge(device, tally, right, wrong, purpose=None):
    """Check chains, (leaf, [pool], [anchors]): the right ones are accepted, the wrong ones not."""
    wishes = [
        {
            "do": "path",
            "leaf": end.hex(),
            "pool": [one.hex() for one in pool],
            "anchors": [one.hex() for one in anchors],
            "now": NOW,
            "purpose": purpose and purpose.hex(),
        }
        for end, pool, anchors in [*right, *wrong]
    ]
    answers = device.pki(*wishes)
    count(tally, answers)
    refused = [answer.get("class") in ("TrustError", "DerError") for answer in answers]
    expected = [False] * len(right) + [True] * len(wrong)
    odd = [i for i in range(len(answers)) if refused[i] != expected[i]]
    assert not odd, [(i, i - len(right), answers[i]) for i in odd]
    assert tally.nothing_lost()


def end(*extensions, **parts):
    """A chain of which the leaf is special."""
    return leaf(*extensions, **parts), [ca()], [root()]


def middle(*extensions, **parts):
    """A chain of which the CA below the root is special."""
    return leaf(), [ca(*extensions, **parts)], [root()]


def top(*extensions, **parts):
    """A chain of which the root is special."""
    return leaf(), [ca()], [root(*extensions, **parts)]


def test_the_outer_form(device, tally):
    def unused(octets):
        return der_writer.tlv(der.BIT_STRING, b"\x01", octets)

    whole = leaf()
    body = whole[4:]
    wrong = [
        end(signature=unused),
        end(signature=lambda octets: der_writer.tlv(der.OCTET_STRING, octets)),
        end(signature=lambda octets: der_writer.tlv(0x23, der_writer.bit_string(octets))),
        end(signature=lambda octets: der_writer.bit_string(octets + b"\0")),
        end(signature=lambda octets: der_writer.bit_string(b"")),
        end(around=lambda *parts: sequence(*parts, NULL)),
        end(around=lambda *parts: sequence(*parts[:2])),
        end(around=lambda *parts: der_writer.tlv(der.SET, *parts)),
        end(around=lambda *parts: sequence(sequence(*parts))),
        end(around=lambda *parts: sequence(*parts) + b"\0"),
        end(around=lambda *parts: b"\0" + sequence(*parts)),
        end(behind=NULL),  # in the tbsCertificate, behind the extensions' place
        (b"\x30\x80" + body + b"\0\0", [ca()], [root()]),
        (b"\x30\x83\0" + whole[2:4] + body, [ca()], [root()]),
    ]
    judge(device, tally, [end(), middle(), top()], wrong)


def test_the_two_algorithms(device, tally):
    # CVE-2014-8275: what is not signed has to say the same, octet for octet.
    null = bytes.fromhex("300c06082a8648ce3d0403020500")
    wrong = []
    for place in (end, middle):
        wrong += [
            place(outer=ECDSA_SHA384),
            place(inner=ECDSA_SHA384, outer=ECDSA_SHA256),
            place(inner=ECDSA_SHA384),  # both, and not what was used
            place(inner=null),  # RFC 5758 3.2: no parameters
            place(outer=null),
            place(inner=null, outer=ECDSA_SHA256),
            place(inner=bytes.fromhex("300d06092a864886f70d01010b0500")),
            place(inner=bytes.fromhex("300906072a8648ce3d0401")),
        ]
    judge(device, tally, [end()], wrong)


def test_versions(device, tally):
    def version(number):
        return der_writer.tlv(0xA0, der_writer.tlv(2, bytes([number])))

    # Version 1 has no extensions: a leaf of it is one without a purpose of its own.
    right = [end(version=b""), end(version=version(1))]
    wrong = [end(version=version(number)) for number in (0, 3, 4, 0x7F, 0xFF)]
    subject_alt = extension(oid.SUBJECT_ALT_NAME, general_name.encode(["dns:a.example"]), b"")
    wrong += [
        end(subject_alt, version=b""),  # 4.1.2.9: extensions are of version 3 alone
        end(subject_alt, version=version(1)),
        end(version=der_writer.tlv(0xA0, b"\x02\x01\x02\x02\x01\x02")),
        end(version=der_writer.tlv(0xA0)),
        end(version=b"\x02\x01\x02"),
        middle(version=b"", wrapped=b""),  # 6.1.4 (k): it does not say that it is a CA
        middle(version=b""),
        middle(version=version(1), wrapped=b""),
        top(version=b"", wrapped=b""),  # an anchor has to say so here, too
    ]
    judge(device, tally, right, wrong)


def test_serial_numbers(device, tally):
    # 4.1.2.2: users are prepared for negative and zero, and handle 20 octets; longer is harmless.
    contents = (b"\0", b"\xff", b"\x80", b"\x7f" * 20, b"\x7f" * 40, b"\0\x80")
    right = [end(serial=der_writer.tlv(2, one)) for one in contents]
    wrong = [end(serial=one) for one in (b"\x02\0", b"\x02\x02\0\x05", b"\x02\x02\xff\xff", NULL)]
    wrong += [end(serial=b""), middle(serial=b"\x02\0"), top(serial=b"\x02\x02\0\x05")]
    judge(device, tally, right, wrong)


def test_names_that_are_empty_or_broken(device, tally):
    empty = sequence()
    # A leaf may have no name but those in subjectAltName.
    right = [(made(empty, 2, "ca", 1), [ca()], [root()])]
    wrong = [
        (made("leaf", 2, empty, 1), [made(empty, 1, "root", 0, (BASIC, USAGE))], [root()]),
        (made("leaf", 2, empty, 0), [], [made(empty, 0, empty, 0, (BASIC, USAGE))]),
        (made("leaf", 2, b"", 1), [ca()], [root()]),
        (made("leaf", 2, NULL, 1), [ca()], [root()]),
        (made("leaf", 2, sequence(b"\x31"), 1), [ca()], [root()]),
        (made("leaf", 2, sequence(b"\x31\x7f"), 1), [ca()], [root()]),
        (made("leaf", 2, "caa", 1), [ca()], [root()]),
        (made("leaf", 2, "c", 1), [ca()], [root()]),
        (made("leaf", 2, "ca\0", 1), [ca()], [root()]),
    ]
    judge(device, tally, right, wrong)


def test_validity(device, tally):
    def span(first, last):
        return sequence(
            *(
                der_writer.tlv(0x18 if len(one) == 15 else 0x17, one.encode())
                for one in (first, last)
            )
        )

    right = [
        end(validity=span("260601000000Z", "260601000000Z")),  # now, to the second, both included
        end(validity=span("260101000000Z", "99991231235959Z")),  # 4.1.2.5: never
        end(validity=span("500101000000Z", "491231235959Z")),  # 1950 to 2049
        # Before 2050 an issuer writes UTCTime; the other form says the same, and is taken.
        end(validity=span("20260101000000Z", "20270101000000Z")),
    ]
    wrong = [
        end(validity=span("270101000000Z", "260101000000Z")),
        end(validity=span("260601000001Z", "270101000000Z")),
        end(validity=span("260101000000Z", "260531235959Z")),
        end(validity=span("260101000000Z", "500101000000Z")),  # 1950, not 2050
        end(validity=sequence(START, END, END)),
        end(validity=sequence(START)),
        end(validity=sequence()),
        end(validity=sequence(NULL, NULL)),
        end(validity=b""),
    ]
    forms = ("2601010000Z", "260101000000", "260101000000+0000", "260101000000-0100")
    forms += ("20260101000000.5Z", "20260101000000", "20260101000000+0000", "260101000000z", "")
    for text in forms:
        for tag in (0x17, 0x18):
            broken = der_writer.tlv(tag, text.encode())
            wrong += [
                end(validity=sequence(broken, END)),
                middle(validity=sequence(START, broken)),
            ]
    judge(device, tally, right, wrong)


def test_unique_identifiers(device, tally):
    first, second = der_writer.tlv(0x81, b"\0\x01"), der_writer.tlv(0x82, b"\0\x02")
    # Obsolete, and passed over wherever they stand in their order.
    right = [
        place(unique=one) for place in (end, middle) for one in (first, second, first + second)
    ]
    wrong = [end(BASIC, unique=second + first), end(BASIC, unique=first + first)]
    wrong += [middle(unique=second + first), top(unique=der_writer.tlv(0x84, b"\0"))]
    judge(device, tally, right, wrong)


def test_the_form_of_extensions(device, tally):
    odd = extension("1.3.6.1.4.1.99999.7", NULL, b"")
    right = [
        end(odd),
        middle(odd, BASIC, USAGE),
        # The default written out: DER leaves it out, some issuers do not; it says the same.
        end(extension("1.3.6.1.4.1.99999.7", NULL, FALSE)),
    ]
    wrong = [
        middle(BASIC, BASIC, USAGE),  # 4.2: no extension twice
        middle(BASIC, USAGE, USAGE),
        middle(BASIC, extension(oid.BASIC_CONSTRAINTS, sequence()), USAGE),
        middle(odd, odd, BASIC, USAGE),
        end(odd, odd),
        end(wrapped=der_writer.tlv(0xA3, sequence())),  # 4.1.2.9: SIZE (1..MAX)
        end(wrapped=der_writer.tlv(0xA3)),
        end(wrapped=der_writer.tlv(0xA3, odd)),
        end(wrapped=der_writer.tlv(0xA3, sequence(odd), sequence(odd))),
        end(wrapped=der_writer.tlv(0xA3, sequence(odd)) * 2),
        end(wrapped=der_writer.tlv(0xA4, sequence(odd))),
        end(extension("1.3.6.1.4.1.99999.7", NULL, b"\x01\x01\x01")),
        end(extension("1.3.6.1.4.1.99999.7", NULL, b"\x01\x02\xff\xff")),
        end(extension("1.3.6.1.4.1.99999.7", NULL, TRUE + TRUE)),
        end(sequence(der_writer.oid(b"\x55\x1d\x11"))),
        end(sequence(der_writer.oid(b"\x55\x1d\x11"), der_writer.tlv(4, NULL), NULL)),
        end(sequence(der_writer.oid(b"\x55\x1d\x11"), NULL)),
        end(sequence(der_writer.oid(b""), der_writer.tlv(4, NULL))),
        end(sequence(der_writer.tlv(4, NULL), der_writer.oid(b"\x55\x1d\x11"))),
    ]
    judge(device, tally, right, wrong)


def test_critical_extensions(device, tally):
    # What restricts, is critical, and is not processed: refused. Not critical: passed over.
    kinds = {
        "2.5.29.9": sequence(),  # subjectDirectoryAttributes
        "2.5.29.14": der_writer.tlv(4, bytes(20)),  # subjectKeyIdentifier
        "2.5.29.16": sequence(),  # privateKeyUsagePeriod
        "2.5.29.18": general_name.encode(["dns:a.example"]),  # issuerAltName
        "2.5.29.31": sequence(),  # cRLDistributionPoints
        "2.5.29.32": sequence(sequence(der_writer.oid(b"\x55\x1d\x20\0"))),  # certificatePolicies
        "2.5.29.33": sequence(),  # policyMappings
        "2.5.29.35": sequence(),  # authorityKeyIdentifier
        "2.5.29.36": sequence(der_writer.tlv(0x80, b"\0")),  # policyConstraints
        "2.5.29.46": sequence(),  # freshestCRL
        "2.5.29.54": b"\x02\x01\0",  # inhibitAnyPolicy
        "1.3.6.1.5.5.7.1.1": sequence(),  # authorityInfoAccess
        "1.3.6.1.5.5.7.1.11": sequence(),  # subjectInfoAccess
        "1.3.6.1.5.5.7.1.24": sequence(der_writer.integer(5)),  # TLS feature
        "2.5.29.999": NULL,
    }
    right, wrong = [], []
    for kind, value in kinds.items():
        right += [
            end(extension(kind, value, b"")),
            middle(BASIC, USAGE, extension(kind, value, b"")),
        ]
        wrong += [end(extension(kind, value)), middle(BASIC, USAGE, extension(kind, value))]
        wrong.append(top(BASIC, USAGE, extension(kind, value)))
    names = general_name.encode(["dns:a.example"])
    right.append(
        end(extension(oid.SUBJECT_ALT_NAME, names))
    )  # 4.2.1.6: processed, so critical is fine
    judge(device, tally, right, wrong)


def test_key_identifiers(device, tally):
    other = sequence(der_writer.tlv(0x80, b"another key"))
    own = extension(oid.SUBJECT_KEY_IDENTIFIER, der_writer.tlv(4, b"this key"), b"")
    # They help to find an issuer, and decide nothing: the signature does.
    right = [
        (
            leaf(extension(oid.AUTHORITY_KEY_IDENTIFIER, other, b"")),
            [ca(own, BASIC, USAGE)],
            [root()],
        ),
        end(extension(oid.AUTHORITY_KEY_IDENTIFIER, NULL, b"")),  # broken, and only a hint
    ]
    named = sequence(der_writer.tlv(0x80, b"this key"))
    fraud = made("ca", 3, "root", 0, (own, BASIC, USAGE))
    wrong = [(leaf(extension(oid.AUTHORITY_KEY_IDENTIFIER, named, b"")), [fraud], [root()])]
    judge(device, tally, right, wrong)


def test_key_usage(device, tally):
    def usage(value, critical=TRUE):
        return extension(oid.KEY_USAGE, value, critical)

    right = [
        middle(BASIC),  # without the extension nothing is restricted
        middle(BASIC, usage(der_writer.named_bits(1 << 5), b"")),
        end(usage(der_writer.named_bits(1))),
        end(usage(der_writer.named_bits(1 << 8))),  # decipherOnly: the ninth bit
    ]
    wrong = [
        middle(BASIC, usage(der_writer.named_bits(1 << 6))),  # cRLSign
        middle(BASIC, usage(der_writer.named_bits(0x1DF), b"")),  # all but keyCertSign
        middle(BASIC, usage(b"\x03\x01\0")),  # 4.2.1.3: at least one bit
        middle(BASIC, usage(b"\x03\x02\x08\x04")),  # more unused bits than there are
        middle(BASIC, usage(b"\x03\x02\x02\x07")),  # unused bits that are set
        middle(BASIC, usage(b"\x03\0")),
        middle(BASIC, usage(b"\x04\x01\x04")),
        middle(BASIC, usage(der_writer.named_bits(1 << 5) + NULL)),
        middle(BASIC, usage(b"")),
        top(BASIC, usage(der_writer.named_bits(1))),
        end(usage(der_writer.named_bits(1 << 5))),  # keyCertSign without being a CA
        end(extension(oid.BASIC_CONSTRAINTS, sequence()), usage(der_writer.named_bits(1 << 5))),
    ]
    judge(device, tally, right, wrong)


def test_basic_constraints(device, tally):
    def basic(*parts, critical=TRUE):
        return extension(oid.BASIC_CONSTRAINTS, sequence(*parts), critical)

    right = [
        middle(basic(TRUE, der_writer.integer(0)), USAGE),
        middle(basic(TRUE, der_writer.integer(1 << 100)), USAGE),
        middle(basic(TRUE, critical=b""), USAGE),  # critical is for strict=True: x509-limbo
        end(basic()),
        end(basic(FALSE)),  # the default written out
    ]
    wrong = [
        middle(basic(), USAGE),
        middle(basic(FALSE), USAGE),
        middle(USAGE),
        middle(basic(b"\x01\x01\x01"), USAGE),
        middle(basic(b"\x01\0"), USAGE),
        middle(basic(der_writer.integer(3)), USAGE),  # 4.2.1.9: a length without cA
        middle(basic(TRUE, b"\x02\x01\xff"), USAGE),  # below zero
        middle(basic(TRUE, der_writer.integer(0), NULL), USAGE),
        middle(basic(der_writer.integer(0), TRUE), USAGE),
        middle(extension(oid.BASIC_CONSTRAINTS, CA_TRUE + NULL), USAGE),
        middle(extension(oid.BASIC_CONSTRAINTS, TRUE), USAGE),
        middle(extension(oid.BASIC_CONSTRAINTS, b""), USAGE),
        top(basic(FALSE), USAGE),
        top(USAGE),
        top(basic(TRUE, der_writer.integer(0)), USAGE),
    ]
    judge(device, tally, right, wrong)


def test_name_constraints(device, tally):
    def constraints(*trees, permitted=0xA0, critical=TRUE):
        value = sequence(der_writer.tlv(permitted, *(sequence(tree) for tree in trees)))
        return extension(oid.NAME_CONSTRAINTS, value, critical)

    def names(*texts):
        return extension(oid.SUBJECT_ALT_NAME, general_name.encode(list(texts)), b"")

    dns = der_writer.tlv(0x82, b"example.com")
    inside, outside = names("dns:a.example.com"), names("dns:a.example.org")

    def below(constraint, *extensions):
        return leaf(*extensions), [ca(BASIC, USAGE, constraint)], [root()]

    right = [
        below(constraints(dns), inside),
        below(constraints(dns)),  # no name of that kind
        below(constraints(dns, permitted=0xA1), outside),
        below(constraints(dns, critical=b""), inside),
    ]
    wrong = [
        below(constraints(dns), outside),
        below(constraints(dns), names("dns:a.example.com", "dns:b.example.org")),
        below(constraints(dns), names("dns:badexample.com")),
        below(constraints(dns), names("dns:a.example.com.evil.org")),
        below(constraints(dns, critical=b""), outside),  # they count also where not critical
        below(constraints(dns, permitted=0xA1), inside),
        below(
            constraints(dns + der_writer.tlv(0x80, b"\x01")), inside
        ),  # minimum: 4.2.1.10 has 0 alone
        below(constraints(dns + der_writer.tlv(0x81, b"\x05")), inside),  # maximum: not used
        below(constraints(der_writer.tlv(0x82, b"a.example.com"), permitted=0xA1), inside),
        below(extension(oid.NAME_CONSTRAINTS, sequence()), inside),  # neither list
        below(extension(oid.NAME_CONSTRAINTS, b""), inside),
        below(extension(oid.NAME_CONSTRAINTS, sequence(NULL)), inside),
        below(
            constraints(der_writer.tlv(0x87, bytes(7))), names("ip:10.0.0.1")
        ),  # no address and mask
        below(
            constraints(der_writer.tlv(0x87, bytes.fromhex("0a000000ff00ff00"))),
            names("ip:11.0.0.1"),
        ),
    ]
    # Of the root, for all below it, the leaf of the second CA too.
    both = made("root", 0, "root", 0, (BASIC, USAGE, constraints(dns)))
    wrong.append((leaf(outside), [ca()], [both]))
    right.append((leaf(inside), [ca()], [both]))
    judge(device, tally, right, wrong)


def test_names_that_pass_constraints_only_at_first_sight(device, tally):
    dns, email, uri, other, directory = 0x82, 0x81, 0x86, 0xA0, 0xA4

    def case(excluded, tag, base, name, subject="leaf"):
        value = sequence(der_writer.tlv(0xA0 + excluded, sequence(der_writer.tlv(tag, base))))
        names = [] if name is None else [extension(oid.SUBJECT_ALT_NAME, name, b"")]
        above = ca(BASIC, USAGE, extension(oid.NAME_CONSTRAINTS, value))
        return made(subject, 2, "ca", 1, names), [above], [root()]

    def san(tag, value):
        return sequence(der_writer.tlv(tag, value))

    def subject(kind, tag, value):
        pair = sequence(der_writer.oid(oid_text.encode(kind)), der_writer.tlv(tag, value))
        return sequence(der_writer.tlv(0x31, pair))

    organization, address = "2.5.4.10", "1.2.840.113549.1.9.1"
    evil = subject(organization, 0x0C, b"Evil")
    bob = subject(address, 0x16, b"Bob@example.com")
    right = [
        case(False, email, b"", san(email, b"a@b.example")),
        case(False, uri, b".good.example", san(uri, b"https://u@a.good.example:80/x?y#z")),
        case(False, email, b"Bob@example.com", None, bob),
        case(True, dns, b"a.secret.example.com", san(dns, b"*.example.com")),
        case(True, dns, b"secret.example.com", san(dns, b"*.other.example.com")),
        case(True, directory, evil, None, subject(organization, 0x1E, "Evi".encode("utf-16-be"))),
    ]
    wrong = [
        case(True, dns, b"secret.example.com", san(dns, b"*.example.com")),
        case(True, dns, b"Secret.Example.com", san(dns, b"*.EXAMPLE.com")),
        case(True, dns, b"*.evil.example", san(dns, b"a.evil.example")),
        # Of kinds that are not understood nothing is permitted, and all is excluded.
        case(False, 0x88, b"\x2a\x03", san(0x88, b"\x2a\x04")),
        case(True, 0x88, b"\x2a\x03", san(0x88, b"\x2a\x04")),
        case(False, other, b"\x06\x01\x2a", san(other, b"\x06\x01\x2b")),
        case(True, email, b"", san(email, b"a@b.example")),
        case(True, uri, b"", san(uri, b"https://a.example/")),
        case(True, email, b"@evil.example", san(email, b"a@evil.example")),
        case(True, email, b"evil.example", san(email, b"a@evil.example.")),
        case(True, email, b"Bob@example.com", None, bob),
        case(True, uri, b"evil.example", san(uri, b"http://evil.example./")),
        case(True, uri, b"evil.example", san(uri, b"http://evil%2Eexample/")),
        case(True, uri, b"evil.example", san(uri, b"http://evil.example\\x/")),
        case(True, uri, b".evil.example", san(uri, b"http://10.0.0.1/")),
        case(False, uri, b"good.example", san(uri, b"http://good.example@evil.example/")),
        case(True, directory, evil, None, subject(organization, 0x1E, "EVIL".encode("utf-16-be"))),
        case(True, directory, evil, None, subject(organization, 0x14, b"evil")),
        case(True, directory, evil, None, subject(organization, 0x1C, "Evil".encode("utf-32-be"))),
    ]
    judge(device, tally, right, wrong)


def test_extended_key_usage(device, tally):
    def usages(*kinds, critical=b""):
        value = sequence(*(der_writer.oid(oid_text.encode(kind)) for kind in kinds))
        return extension(oid.EXT_KEY_USAGE, value, critical)

    server, client, any_usage = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
    right = [
        end(),
        end(usages(server)),
        end(usages(client, server, critical=TRUE)),
        end(usages(any_usage)),
        # 4.2.1.12 is about the holder's own key: of a CA it restricts nothing below. Of a server's
        # chain it does: test_a_path_that_tls_has_built.
        middle(BASIC, USAGE, usages(client)),
    ]
    wrong = [
        end(usages(client)),
        end(usages(client, critical=TRUE)),
        end(usages()),  # SIZE (1..MAX)
        end(extension(oid.EXT_KEY_USAGE, b"")),
        end(extension(oid.EXT_KEY_USAGE, NULL)),
        end(extension(oid.EXT_KEY_USAGE, sequence(NULL))),
        end(usages(server), usages(server)),
    ]
    judge(device, tally, right, wrong, SERVER_AUTH)


def test_every_rule_has_its_test():
    folder = Path(__file__).parent
    files = [*folder.glob("test_*.py"), *(folder.parent / "unit").glob("test_*.py")]
    known = {
        name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.M)
    }
    for rule, shown in RULES.items():
        tests = re.findall(r"test_\w+", shown)
        assert set(tests) <= known, rule
        assert tests or "refused" in shown, rule
