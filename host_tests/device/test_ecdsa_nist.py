"""P-256 in each interpreter and with each of its engines, against NIST's vectors.

They are those of CAVP for FIPS 186-3, with SHA-256, in the PyPI package cryptography_vectors: key
pairs, validation of public keys, signatures with their nonces, and their verification.
"""

import hashlib
import re
from importlib.resources import files

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

FOLDER = files("cryptography_vectors") / "asymmetric" / "ECDSA" / "FIPS_186-3"
ECDSA_WITH_SHA256 = "300a06082a8648ce3d040302"
SPKI = "3059301306072a8648ce3d020106082a8648ce3d030107034200"


def cases(file, section):
    """Return the cases of one section of a response file: dicts of text."""
    _, _, rest = (FOLDER / file).read_text().partition(f"[{section}]\n")
    part = re.split(r"\n\[[PKB]-\d", rest)[0]
    blocks = [dict(re.findall(r"(\w+) = (.*)", block)) for block in re.split(r"\n\s*\n", part)]
    return [block for block in blocks if "Qx" in block]


def point(case):
    """The uncompressed point, with as many digits as the file has."""
    return "04" + "".join(padded(case[name]) for name in ("Qx", "Qy"))


def padded(digits):
    """Without odd digits, and with 64 of them at least: the files leave zeros out."""
    digits = digits.rjust(64, "0")
    return digits.rjust(len(digits) + len(digits) % 2, "0")


def test_key_pairs(ask):
    found = cases("KeyPair.rsp", "P-256")
    assert len(found) == 10
    answers = ask([{"do": "multiple", "k": case["d"]} for case in found])
    for answer, case in zip(answers, found, strict=True):
        assert answer == {"ok": [padded(case["Qx"]), padded(case["Qy"])]}


def test_public_keys_are_validated(ask):
    found = cases("PKV.rsp", "P-256")
    assert len(found) == 12
    answers = ask([{"do": "point", "encoded": point(case)} for case in found])
    for answer, case in zip(answers, found, strict=True):
        if case["Result"].startswith("P"):
            assert answer == {"ok": [padded(case["Qx"]), padded(case["Qy"])]}
        else:
            assert answer["class"] == "DerError", case
    assert {case["Result"][0] for case in found} == {"P", "F"}


def test_signatures_with_a_given_nonce(ask):
    found = cases("SigGen.txt", "P-256,SHA-256")
    assert len(found) == 15
    wishes = []
    for case in found:
        digest = hashlib.sha256(bytes.fromhex(case["Msg"])).hexdigest()
        wishes.append({"do": "sign", "d": case["d"], "digest": digest, "k": case["k"]})
    for answer, case in zip(ask(wishes), found, strict=True):
        assert answer == {"ok": [padded(case["R"]), padded(case["S"])]}


@pytest.mark.parametrize(("file", "count"), [("SigVer.rsp", 15), ("SigGen.txt", 15)])
def test_signatures_are_verified(ask, file, count):
    found = cases(file, "P-256,SHA-256")
    assert len(found) == count
    wishes = []
    for case in found:
        signature = encode_dss_signature(int(case["R"], 16), int(case["S"], 16))
        wish = {"do": "verify", "spki": SPKI + point(case), "algorithm": ECDSA_WITH_SHA256}
        wishes.append({**wish, "message": case["Msg"], "signature_": signature.hex()})
    for answer, case in zip(ask(wishes), found, strict=True):
        if case.get("Result", "P").startswith("P"):
            assert answer == {"ok": True}, case
        else:
            assert answer["class"] in ("TrustError", "DerError"), case
