"""pki.path in each interpreter, with chains that `cryptography` makes and breaks."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from probing import PKI_HEAP

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(6)]


def certificate(
    subject,
    key,
    issuer,
    issuer_key,
    ca=True,
    path_length=None,
    start=NOW - DAY,
    end=NOW + DAY,
    sign=True,
    critical=None,
    digest=hashes.SHA256,
    more=(),
):
    """Return the DER of a certificate; subject and issuer are common names.

    more: further extensions, as (value, critical).
    """
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, n)]) for n in (subject, issuer)]
    usage = [not ca, False, False, False, False, ca and sign, ca and sign, False, False]
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(KEYS[key].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, path_length), True)
        .add_extension(x509.KeyUsage(*usage), True)
    )
    if critical:
        oid = x509.ObjectIdentifier(critical)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), True)
    for extension, is_critical in more:
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(KEYS[issuer_key], digest()).public_bytes(Encoding.DER)


def check(device, *cases, heap=PKI_HEAP):
    """Check each (leaf, pool, anchors) now; return the answers."""
    now = int(NOW.timestamp())
    return device.pki(
        *(
            {
                "do": "path",
                "leaf": leaf.hex(),
                "pool": [der.hex() for der in pool],
                "anchors": [der.hex() for der in anchors],
                "now": now,
            }
            for leaf, pool, anchors in cases
        ),
        heap=heap,
    )


def refused(device, text, *cases):
    for answer in check(device, *cases):
        assert answer.get("class") == "TrustError" and text in answer["error"], answer


ROOT = certificate("root", 0, "root", 0)
CA = certificate("ca", 1, "root", 0)
LEAF = certificate("leaf", 5, "ca", 1, ca=False)


def test_chains_of_one_to_four_certificates(device):
    second = certificate("ca 2", 2, "ca", 1)
    third = certificate("ca 3", 3, "ca 2", 2)
    answers = check(
        device,
        (certificate("leaf", 5, "root", 0, ca=False), [], [ROOT]),
        (LEAF, [CA], [ROOT]),
        (certificate("leaf", 5, "ca 2", 2, ca=False), [second, CA], [ROOT]),
        (certificate("leaf", 5, "ca 3", 3, ca=False), [CA, second, third], [ROOT]),
    )
    assert answers == [{"ok": 1}, {"ok": 2}, {"ok": 3}, {"ok": 4}]


def test_no_way_to_an_anchor(device):
    other = certificate("root", 4, "root", 4)
    refused(device, "no path", (LEAF, [], [ROOT]), (LEAF, [CA], []), (LEAF, [], []))
    refused(device, "signature is wrong", (LEAF, [CA], [other]))


def test_the_right_one_of_two_anchors_with_one_name(device):
    other = certificate("root", 4, "root", 4)
    assert check(device, (LEAF, [CA], [other, ROOT])) == [{"ok": 2}]


def test_an_issuer_that_is_no_ca(device):
    plain = certificate("ca", 1, "root", 0, ca=False)
    refused(device, "is not a CA certificate", (LEAF, [plain], [ROOT]))


def test_an_issuer_that_may_not_sign(device):
    mute = certificate("ca", 1, "root", 0, sign=False)
    refused(device, "may not sign certificates", (LEAF, [mute], [ROOT]))


def test_the_path_length(device):
    second = certificate("ca 2", 2, "ca", 1)
    leaf = certificate("leaf", 5, "ca 2", 2, ca=False)
    for length, good in ((0, False), (1, True)):
        ca = certificate("ca", 1, "root", 0, path_length=length)
        answer = check(device, (leaf, [second, ca], [ROOT]))[0]
        assert ("ok" in answer) == good, answer
    root = certificate("root", 0, "root", 0, path_length=0)
    refused(device, "allows only 0", (LEAF, [CA], [root]))
    direct = certificate("leaf", 5, "root", 0, ca=False)
    assert check(device, (direct, [], [root])) == [{"ok": 1}]


def test_validity_of_each_certificate(device):
    old = {"start": NOW - 2 * DAY, "end": NOW - DAY}
    young = {"start": NOW + DAY, "end": NOW + 2 * DAY}
    for dates, text in ((old, "has expired"), (young, "is not valid yet")):
        refused(
            device,
            text,
            (certificate("leaf", 5, "ca", 1, ca=False, **dates), [CA], [ROOT]),
            (LEAF, [certificate("ca", 1, "root", 0, **dates)], [ROOT]),
            (LEAF, [CA], [certificate("root", 0, "root", 0, **dates)]),
        )


def test_an_unknown_critical_extension(device):
    odd = "1.3.6.1.4.1.99999.7"
    refused(
        device,
        "unknown critical extension " + odd,
        (certificate("leaf", 5, "ca", 1, ca=False, critical=odd), [CA], [ROOT]),
        (LEAF, [certificate("ca", 1, "root", 0, critical=odd)], [ROOT]),
    )


def test_a_changed_certificate(device):
    changed = bytearray(LEAF)
    changed[changed.index(b"leaf")] ^= 1
    refused(device, "signature is wrong", (bytes(changed), [CA], [ROOT]))


def test_loops_and_wide_bags_end(device):
    # ca and ca 2 issue each other; 20 certificates share the issuer's name and not its key.
    loop = [certificate("ca", 1, "ca 2", 2), certificate("ca 2", 2, "ca", 1)]
    refused(device, "no path", (LEAF, loop, [ROOT]))
    wide = [certificate("ca", 2, "root", 0) for _ in range(20)]
    refused(device, "no path", (LEAF, wide, [certificate("root", 4, "root", 4)]))


def test_sha_384_signatures(device):
    root = certificate("root", 0, "root", 0, digest=hashes.SHA384)
    ca = certificate("ca", 1, "root", 0, digest=hashes.SHA512)
    assert check(device, (LEAF, [ca], [root])) == [{"ok": 2}]
