"""pki.signature in each interpreter, against signatures that others made."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from made_keys import rsa_key
from signing import ECDSA, RSA, pss, spki, wish

HASHES = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())


def test_every_algorithm(device):
    wishes = []
    message = bytes(range(200))
    for curve in (ec.SECP256R1(), ec.SECP384R1()):
        key = ec.generate_private_key(curve)
        for i, digest in enumerate(HASHES):
            signature = key.sign(message, ec.ECDSA(digest)).hex()
            wishes.append(wish(spki(key), ECDSA % (2 + i), message.hex(), signature))
    for bits in (2048, 4096):
        key = rsa_key(bits)
        for i, digest in enumerate(HASHES):
            signature = key.sign(message, padding.PKCS1v15(), digest).hex()
            wishes.append(wish(spki(key), RSA % (11 + i), message.hex(), signature))
            # OpenSSL before 3.1 makes a salt that fills the key's size.
            for salt in (digest.digest_size, 0, 20, bits // 8 - digest.digest_size - 2):
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
    small = rsa_key(1024)
    other = ec.generate_private_key(ec.SECP521R1())
    three = rsa_key(2048, 3)
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


def test_weak_keys_are_refused_with_both_sizes(device):
    secp224, p192 = (
        ec.generate_private_key(ec.SECP224R1()),
        ec.generate_private_key(ec.SECP192R1()),
    )
    cases = [
        (spki(rsa_key(1024)), RSA % 11, "RSA keys of 1024 bits are not accepted", "at least 2048"),
        (spki(secp224), ECDSA % 2, "EC keys of 224 bits are not accepted", "at least 256"),
        (spki(p192), ECDSA % 2, "EC keys of 192 bits are not accepted", "at least 256"),
        (spki(secp224), ECDSA % 1, "SHA-224 with ECDSA", "224 bits, and this device wants"),
        (spki(rsa_key(2048)), RSA % 5, "SHA-1 with RSA", "160 bits, and this device wants"),
        (spki(rsa_key(2048)), RSA % 4, "MD5 with RSA", "at least 256"),
        (spki(ed25519.Ed25519PrivateKey.generate()), RSA % 11, "of the kind 1.3.101.112", ""),
        (spki(ec.generate_private_key(ec.SECP256K1())), ECDSA % 2, "secp256k1 (1.3.132.0.10)", ""),
    ]
    answers = device.pki(*(wish(k, a, "00", "00") for k, a, *_ in cases))
    for answer, (_, _, *texts) in zip(answers, cases, strict=True):
        assert answer["class"] == "TrustError"
        assert all(text in answer["error"] for text in texts), answer


def test_a_board_may_ask_for_more(device):
    message = b"m"
    key, curve = rsa_key(2048), ec.generate_private_key(ec.SECP256R1())
    rsa_signature = key.sign(message, padding.PKCS1v15(), HASHES[0]).hex()
    ec_signature = curve.sign(message, ec.ECDSA(HASHES[0])).hex()
    rsa_case = (spki(key), RSA % 11, message.hex(), rsa_signature)
    ec_case = (spki(curve), ECDSA % 2, message.hex(), ec_signature)
    cases = [
        (rsa_case, {"MIN_RSA_BITS": 3072}, "RSA keys of 2048 bits are not accepted", "3072"),
        (ec_case, {"MIN_EC_BITS": 384}, "EC keys of 256 bits are not accepted", "384"),
        (ec_case, {"MIN_HASH_BITS": 384}, "SHA-256", "384"),
        (rsa_case, {"MIN_HASH_BITS": 384}, "SHA-256", "384"),
    ]
    answers = device.pki(*(wish(*case, limits=limits) for case, limits, *_ in cases))
    for answer, (_, _, *texts) in zip(answers, cases, strict=True):
        assert answer["class"] == "TrustError"
        assert all(text in answer["error"] for text in texts), answer
    fine = [wish(*rsa_case, limits={"MIN_EC_BITS": 384}), wish(*ec_case)]
    assert device.pki(*fine) == [{"ok": True}] * 2


def test_other_tasks_get_turns_while_it_computes(device):
    large, wide = bytes(2048), ec.generate_private_key(ec.SECP384R1())
    rsa_signature = rsa_key(4096).sign(b"m", padding.PKCS1v15(), HASHES[0]).hex()
    wide_signature = wide.sign(b"m", ec.ECDSA(HASHES[1])).hex()
    long_signature = rsa_key(2048).sign(large, padding.PKCS1v15(), HASHES[2]).hex()
    wishes = [
        wish(spki(rsa_key(4096)), RSA % 11, b"m".hex(), rsa_signature),
        wish(spki(wide), ECDSA % 3, b"m".hex(), wide_signature),
        wish(spki(rsa_key(2048)), RSA % 13, large.hex(), long_signature),
    ]
    found = [answer["ok"] for answer in device.pki(*({"do": "turns", "wish": w} for w in wishes))]
    # RSA: 17 multiplications, the last of them ends it; P-384: 384 doublings, by two; SHA-512:
    # 16 blocks, and RSA again.
    assert found[0] >= 16 and found[1] >= 190 and found[2] >= 16 + 16, found
