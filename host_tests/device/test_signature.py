"""pki.signature in each interpreter, against signatures that others made."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WYCHEPROOF = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "wycheproof"
ECDSA = "300a06082a8648ce3d0403%02x"
RSA = "300d06092a864886f70d0101%02x0500"
HASHES = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())


def pss(number, salt):
    """AlgorithmIdentifier of RSASSA-PSS with SHA-256 (1), -384 (2) or -512 (3), also for MGF1."""
    sha2 = bytes.fromhex("300d06096086480165030402%02x0500" % number)
    mask = b"\x30" + bytes([11 + len(sha2)]) + bytes.fromhex("06092a864886f70d010108") + sha2
    fields = b"\xa0" + bytes([len(sha2)]) + sha2
    fields += b"\xa1" + bytes([len(mask)]) + mask
    fields += bytes([0xA2, 3, 2, 1, salt])
    whole = bytes.fromhex("06092a864886f70d01010a") + b"\x30" + bytes([len(fields)]) + fields
    return (b"\x30" + bytes([len(whole)]) + whole).hex()


def spki(key):
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def wish(key, algorithm, message, signature):
    return {
        "do": "verify",
        "spki": key,
        "algorithm": algorithm,
        "message": message,
        "signature_": signature,
    }


@pytest.mark.parametrize(
    ("file", "algorithm"),
    [("ecdsa_secp256r1_sha256_test", ECDSA % 2), ("rsa_signature_2048_sha256_test", RSA % 11)],
)
def test_every_case_of_wycheproof(device, file, algorithm):
    path = WYCHEPROOF / f"{file}.json"
    if not path.exists():
        pytest.skip("../shared/vectors/wycheproof is not here")
    wishes, expected = [], []
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            wishes.append(wish(group["publicKeyDer"], algorithm, case["msg"], case["sig"]))
            # The one "acceptable" case leaves the NULL out of DigestInfo: refused, for what is
            # compared is the whole encoded message.
            expected.append((case["result"] == "valid", case["comment"]))
    found = [
        ("ok" in answer, comment)
        for answer, (_, comment) in zip(device.pki(*wishes), expected, strict=True)
    ]
    assert found == expected


def test_every_algorithm(device):
    wishes = []
    message = bytes(range(200))
    for curve in (ec.SECP256R1(), ec.SECP384R1()):
        key = ec.generate_private_key(curve)
        for i, digest in enumerate(HASHES):
            signature = key.sign(message, ec.ECDSA(digest)).hex()
            wishes.append(wish(spki(key), ECDSA % (2 + i), message.hex(), signature))
    for bits in (2048, 4096):
        key = rsa.generate_private_key(65537, bits)
        for i, digest in enumerate(HASHES):
            signature = key.sign(message, padding.PKCS1v15(), digest).hex()
            wishes.append(wish(spki(key), RSA % (11 + i), message.hex(), signature))
            for salt in (digest.digest_size, 0, 20):
                scheme = padding.PSS(padding.MGF1(digest), salt)
                signature = key.sign(message, scheme, digest).hex()
                wishes.append(wish(spki(key), pss(1 + i, salt), message.hex(), signature))
    assert device.pki(*wishes) == [{"ok": True}] * len(wishes)
    for changed in wishes:
        changed["message"] = "00" + changed["message"]
    for answer in device.pki(*wishes):
        assert answer["class"] == "TrustError" and "signature is wrong" in answer["error"]


def test_what_is_not_accepted_is_named(device):
    key = ec.generate_private_key(ec.SECP256R1())
    small = rsa.generate_private_key(65537, 1024)
    other = ec.generate_private_key(ec.SECP521R1())
    three = rsa.generate_private_key(3, 2048)
    message = b"m"
    pkcs1 = small.sign(message, padding.PKCS1v15(), hashes.SHA256()).hex()
    cases = [
        (spki(key), "300906072a8648ce3d0401", "00", "SHA-1 with ECDSA (1.2.840.10045.4.1)"),
        (
            spki(three),
            "300d06092a864886f70d0101050500",
            "00",
            "SHA-1 with RSA (1.2.840.113549.1.1.5)",
        ),
        (spki(three), "300d06092a864886f70d01010a3000", "00", "RSA-PSS with SHA-1"),
        (spki(small), RSA % 11, pkcs1, "1024 bits"),
        (spki(other), ECDSA % 2, "00", "P-521 (1.3.132.0.35)"),
        (spki(key), RSA % 11, "00", "key of another kind"),
        (spki(three), ECDSA % 2, "00", "key of another kind"),
    ]
    answers = device.pki(*(wish(k, a, message.hex(), s) for k, a, s, _ in cases))
    for answer, (*_, text) in zip(answers, cases, strict=True):
        assert answer["class"] == "TrustError" and text in answer["error"], answer


def test_broken_encodings_are_one_of_our_errors(device):
    key = ec.generate_private_key(ec.SECP256R1())
    signature = key.sign(b"m", ec.ECDSA(hashes.SHA256()))
    parts = [bytes.fromhex(spki(key)), bytes.fromhex(ECDSA % 2), signature]
    wishes = []
    for i, part in enumerate(parts):
        for size in range(0, len(part), 3):
            cut = [p.hex() for p in (*parts[:i], part[:size], *parts[i + 1 :])]
            wishes.append(wish(cut[0], cut[1], b"m".hex(), cut[2]))
    for answer in device.pki(*wishes):
        assert answer["class"] in ("DerError", "TrustError"), answer
