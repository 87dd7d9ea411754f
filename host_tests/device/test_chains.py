"""Whole chains in each interpreter: every algorithm, constraints on names, hostile bags, and the
paths that a TLS stack has built."""

import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding
from made_keys import rsa_key
from test_path import CA, DAY, LEAF, NOW, ROOT, certificate, check, refused

NOW_SECONDS = int(NOW.timestamp())
SERVER_AUTH, CLIENT_AUTH = "2b06010505070301", "2b06010505070302"

SHA256 = hashes.SHA256()


def pss(digest):
    return padding.PSS(padding.MGF1(digest), digest.digest_size)


def algorithms():
    """Name, key, hash, and RSA padding of every algorithm."""
    yield "P-256", ec.generate_private_key(ec.SECP256R1()), hashes.SHA256(), None
    yield "P-384", ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), None
    for bits in (2048, 3072, 4096):
        for digest in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
            yield f"RSA-{bits} {digest.name}", rsa_key(bits), digest, padding.PKCS1v15()
            yield f"RSA-{bits} PSS {digest.name}", rsa_key(bits), digest, pss(digest)


def common_name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def made(subject, key, issuer, issuer_key, ca, digest=SHA256, scheme=None):
    """The DER of a certificate with these keys; subject, issuer: common names."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(subject))
        .issuer_name(common_name(issuer))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca, None), True)
    )
    return builder.sign(issuer_key, digest, rsa_padding=scheme).public_bytes(Encoding.DER)


def line(key, digest, scheme, length):
    """The DER of a chain of that many certificates below each other, root first."""
    return [
        made(f"level {i}", key, f"level {max(i - 1, 0)}", key, i < 3, digest, scheme)
        for i in range(length)
    ]


def test_chains_of_one_to_four_certificates_of_every_algorithm(device):
    cases, expected = [], []
    for name, key, digest, scheme in algorithms():
        chain = line(key, digest, scheme, 4)
        for length in range(1, 5):
            # One alone is its own anchor.
            cases.append((chain[length - 1], chain[1 : length - 1], chain[:1]))
            expected.append((name, length, {"ok": max(length - 1, 1)}))
    answers = check(device, *cases)
    found = [(*case[:2], answer) for case, answer in zip(expected, answers, strict=True)]
    assert found == expected


def directory(*names):
    return x509.DirectoryName(
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name) for name in names])
    )


# A subtree, a name within it and one outside.
SUBTREES = [
    (x509.DNSName("example.com"), x509.DNSName("a.example.com"), x509.DNSName("a.example.org")),
    (
        x509.IPAddress(ipaddress.ip_network("192.0.2.0/24")),
        x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
        x509.IPAddress(ipaddress.ip_address("192.0.3.7")),
    ),
    (
        x509.UniformResourceIdentifier(".example.com"),
        x509.UniformResourceIdentifier("https://a.example.com/est"),
        x509.UniformResourceIdentifier("https://example.org/est"),
    ),
    (
        x509.RFC822Name("example.com"),
        x509.RFC822Name("pump@example.com"),
        x509.RFC822Name("pump@example.org"),
    ),
    (directory("Acme"), directory("Acme", "Pumps"), directory("Other")),
]


@pytest.mark.parametrize("kind", range(len(SUBTREES)))
def test_name_constraints_of_each_kind(device, kind):
    base, inside, outside = SUBTREES[kind]
    permitted = x509.NameConstraints([base], None)
    excluded = x509.NameConstraints(None, [base])
    if kind == 4:
        # The subject is a directory name itself, and is constrained with the others.
        permitted = x509.NameConstraints([base, x509.DirectoryName(common_name("leaf"))], None)
    leaves = [
        certificate(
            "leaf", 5, "ca", 1, ca=False, more=[(x509.SubjectAlternativeName([name]), False)]
        )
        for name in (inside, outside)
    ]
    for constraints, good, bad in ((permitted, 0, 1), (excluded, 1, 0)):
        ca = certificate("ca", 1, "root", 0, more=[(constraints, True)])
        assert check(device, (leaves[good], [ca], [ROOT])) == [{"ok": 2}]
        refused(device, "a name in the certificate is", (leaves[bad], [ca], [ROOT]))
        # The same in the root: it holds for the whole path.
        root = certificate("root", 0, "root", 0, more=[(constraints, True)])
        if kind != 4:
            assert check(device, (leaves[good], [CA], [root])) == [{"ok": 2}]
        refused(device, "a name in the certificate is", (leaves[bad], [CA], [root]))


def wide_bag(device, *cases):
    """Check cases with a bag too large for the usual heap of the probe's JSON."""
    return check(device, *cases, heap={"unix": "2m", "unix32": "1m"})


def test_a_path_among_64_unrelated_certificates(device):
    unrelated = [certificate(f"ca {i}", 1 + i % 4, f"root {i}", 0) for i in range(64)]
    middle = unrelated[:32] + [CA] + unrelated[32:]
    answers = wide_bag(device, (LEAF, middle, [ROOT]), (LEAF, unrelated, [ROOT]))
    assert answers[0] == {"ok": 2}
    assert answers[1]["class"] == "TrustError" and "no path" in answers[1]["error"]


def test_64_certificates_with_the_name_of_the_issuer(device):
    keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(64)]
    ids = [(x509.SubjectKeyIdentifier.from_public_key(key), False) for key in keys]
    wrong = [certificate("ca", 2, "root", 0, more=[one]) for one in ids]
    # The certificate says which key signed it: that one is tried first.
    right_id = x509.SubjectKeyIdentifier(b"the right one")
    right = certificate("ca", 1, "root", 0, more=[(right_id, False)])
    pointer = x509.AuthorityKeyIdentifier(b"the right one", None, None)
    leaf = certificate("leaf", 5, "ca", 1, ca=False, more=[(pointer, False)])
    same = [right] * 64
    answers = wide_bag(
        device,
        (leaf, wrong + [right], [ROOT]),
        (LEAF, wrong, [ROOT]),
        (leaf, same, [certificate("root", 4, "root", 4)]),
    )
    assert answers[0] == {"ok": 2}
    assert "no path to a trust anchor within 16 signatures" in answers[1]["error"]
    assert "no path to a trust anchor (" in answers[2]["error"]


def test_authorities_that_all_certify_each_other(device):
    mesh = [
        certificate(f"ca {a}" if a else "ca", 1 + a, f"ca {b}" if b else "ca", 1 + b)
        for a in range(4)
        for b in range(4)
    ]
    refused(device, "no path", (LEAF, mesh, [ROOT]))
    way_out = certificate("ca 3", 4, "root", 0)
    assert "ok" in check(device, (LEAF, mesh[:4] + [way_out], [ROOT]))[0]


def built(device, chain, now=NOW_SECONDS, **more):
    wish = {"do": "built", "chain": [raw.hex() for raw in chain], "now": now, **more}
    return device.pki(wish)[0]


def test_a_path_that_tls_has_built(device):
    assert built(device, [LEAF, CA, ROOT]) == {"ok": 3}
    assert built(device, [LEAF, CA]) == {"ok": 2}  # an intermediate may be the anchor
    assert built(device, [LEAF]) == {"ok": 1}  # and the leaf
    server = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH])
    leaf = certificate("leaf", 5, "ca", 1, ca=False, more=[(server, False)])
    assert built(device, [leaf, CA, ROOT], purpose=SERVER_AUTH) == {"ok": 3}
    for_both = certificate("ca", 1, "root", 0, more=[(server, True)])
    assert built(device, [leaf, for_both, ROOT], purpose=SERVER_AUTH) == {"ok": 3}
    mail = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
    for_mail = certificate("ca", 1, "root", 0, more=[(mail, False)])
    assert built(device, [leaf, for_mail], purpose=SERVER_AUTH) == {
        "ok": 2
    }  # an anchor may be any
    constraints = x509.NameConstraints([x509.DNSName("example.com")], None)
    dns = x509.SubjectAlternativeName([x509.DNSName("example.org")])
    cases = [
        ([LEAF, ROOT], {}, "CN=root is not the issuer of CN=leaf"),
        ([LEAF, CA, ROOT], {"now": NOW_SECONDS + 90000}, "has expired"),
        ([LEAF, CA, ROOT], {"now": NOW_SECONDS - 90000}, "is not valid yet"),
        ([leaf, CA, ROOT], {"purpose": CLIENT_AUTH}, "is not meant for this purpose"),
        ([leaf, for_mail, ROOT], {"purpose": SERVER_AUTH}, "CN=ca is not meant for this"),
        ([LEAF, certificate("ca", 1, "root", 0, ca=False), ROOT], {}, "is not a CA"),
        ([LEAF, certificate("ca", 1, "root", 0, sign=False), ROOT], {}, "may not sign"),
        ([LEAF, CA, certificate("root", 0, "root", 0, path_length=0)], {}, "allows only 0"),
        ([LEAF, certificate("ca", 1, "root", 0, critical="1.2.3"), ROOT], {}, "critical"),
        (
            [
                certificate("leaf", 5, "ca", 1, ca=False, more=[(dns, False)]),
                certificate("ca", 1, "root", 0, more=[(constraints, True)]),
                ROOT,
            ],
            {},
            "outside of what its CA may issue for",
        ),
        ([LEAF, CA, ROOT], {"limits": {"MIN_EC_BITS": 384}}, "EC keys of 256 bits"),
        ([LEAF, CA, ROOT], {"limits": {"MIN_HASH_BITS": 384}}, "SHA-256"),
        ([LEAF] + [CA] * 7, {}, "more than 7 certificates"),
    ]
    for chain, more, text in cases:
        answer = built(device, chain, **more)
        assert answer.get("class") == "TrustError" and text in answer["error"], (text, answer)


def test_weak_keys_and_hashes_anywhere_in_a_chain(device):
    root = rsa_key(2048)

    def chain(leaf_key, ca_key):
        return [
            made("leaf", leaf_key, "ca", ca_key, False),
            made("ca", ca_key, "root", root, True),
            made("root", root, "root", root, True),
        ]

    sha1 = chain(root, root)
    # `cryptography` signs with SHA-1 no more: only the name is changed, which suffices.
    sha1[1] = sha1[1].replace(
        bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    )
    cases = [(sha1, "SHA-1 with RSA")]
    weak = (rsa_key(1024), *map(ec.generate_private_key, (ec.SECP192R1(), ec.SECP224R1())))
    for key, text in zip(weak, ("1024 bits", "192 bits", "224 bits"), strict=True):
        cases += [(chain(key, root), text), (chain(root, key), text)]
    for ders, text in cases:
        refused(device, text, (ders[0], ders[1:2], ders[2:]))
        answer = built(device, ders)
        assert answer["class"] == "TrustError" and text in answer["error"], (text, answer)
