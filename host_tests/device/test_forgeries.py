"""Every known class of forged ECDSA and RSA signature, each built for real, in each interpreter.

Where an attack fools a careless verifier, such a verifier stands here and has to be fooled, so
that what is refused is the attack itself and not a mistake in it.
"""

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from made_keys import rsa_key
from pki import der, der_writer, jacobian, p384, rsa_pss
from pki import ec as curves
from signing import ECDSA, RSA, count, pss, spki, wish

MESSAGE = b"pump-7"
SHA256, SHA384 = hashes.SHA256(), hashes.SHA384()
P, N = curves.P256.p, curves.P256.n
EC_PUBLIC_KEY = bytes.fromhex("06072a8648ce3d0201")
PRIME256V1 = bytes.fromhex("06082a8648ce3d030107")
SECP384R1 = bytes.fromhex("06052b81040022")
RSA_ENCRYPTION = bytes.fromhex("06092a864886f70d010101")
NULL = b"\x05\x00"


def all_refused(ask, tally, wishes, good=()):
    """Each of the wishes is refused by an error of our own; the good ones are accepted."""
    answers = ask([*wishes, *good])
    count(tally, answers)
    for sent, answer in zip(wishes, answers, strict=False):
        assert answer.get("class") in ("TrustError", "DerError"), (sent, answer)
    assert answers[len(wishes) :] == [{"ok": True}] * len(good)
    assert tally.failed_cleanly == len(wishes)
    assert tally.nothing_lost()


def signed_integer(value):
    """The DER of an INTEGER, also of a negative one."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return der_writer.tlv(der.INTEGER, value.to_bytes(size, "big", signed=True))


def sequence(*parts):
    return der_writer.tlv(der.SEQUENCE, *parts)


# --- ECDSA


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


def ec_wish(key, signature, message=MESSAGE, algorithm=2):
    public = key if isinstance(key, bytes) else bytes.fromhex(spki(key))
    return wish(public.hex(), ECDSA % algorithm, message.hex(), signature.hex())


def test_numbers_that_no_signature_has(ask, tally, key):
    r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(SHA256)))
    odd = [0, 1, -1, N, N + 1, N - 1, 2 * N, P, P + 1, -N, 1 << 256, (1 << 256) - 1, 1 << 2048]
    pairs = [(a, b) for a in odd for b in odd]  # (0, 0) is CVE-2022-21449
    pairs += [(r, b) for b in odd] + [(a, s) for a in odd]
    pairs += [(r + N, s), (r, s + N), (r - N, s), (r, s - N), (-r, s), (r, -s), (-r, -s)]
    pairs += [(s, r), (N - r, s), (N - r, N - s), (P - r, s), (r ^ 1, s), (r, s ^ 1)]
    # (r, n - s) is right, too: ECDSA has that freedom, and nothing here counts on only one.
    good = [(r, s), (r, N - s)]
    made = [
        [ec_wish(key, sequence(*map(signed_integer, pair))) for pair in bag]
        for bag in (pairs, good)
    ]
    all_refused(ask, tally, *made)


def test_every_other_encoding_of_a_right_signature(ask, tally, key):
    signature = key.sign(MESSAGE, ec.ECDSA(SHA256))
    r, s = decode_dss_signature(signature)
    one, two = signed_integer(r), signed_integer(s)
    body = one + two
    size = bytes([len(body)])
    padded = der_writer.tlv(2, b"\0", one[2:])
    bare = [number.to_bytes(32, "big") for number in (r, s)]
    encodings = [
        b"\x30\x81" + size + body,  # lengths that BER allows
        b"\x30\x82\0" + size + body,
        b"\x30\x84\0\0\0" + size + body,
        b"\x30\x80" + body + b"\0\0",
        b"\x30\x80" + body,
        b"\x30" + bytes([len(body) + 1]) + b"\x02\x81" + one[1:] + two,
        b"\x30" + bytes([len(body) + 1]) + one + b"\x02\x81" + two[1:],
        b"\x30" + bytes([len(body) + 4]) + b"\x22\x80" + one + b"\0\0" + two,
        sequence(padded, two),  # a zero in front that does not belong there
        sequence(one, der_writer.tlv(2, b"\0\0", two[2:])),
        sequence(der_writer.tlv(2, (r | 1 << 255).to_bytes(32, "big")), two),  # below zero
        sequence(body, NULL),  # something behind
        sequence(body, b"\0"),
        signature + b"\0",
        signature + signature,
        b"\0" + signature,
        sequence(one, two, two),
        sequence(one),
        sequence(),
        sequence(sequence(one, two)),
        sequence(der_writer.tlv(2), two),
        sequence(one, der_writer.tlv(2)),
        sequence(der_writer.tlv(4, one[2:]), two),
        sequence(der_writer.tlv(9, one[2:]), two),  # REAL
        der_writer.tlv(der.SET, body),
        der_writer.tlv(0x10, body),  # SEQUENCE, but primitive
        der_writer.bit_string(signature),
        der_writer.tlv(4, signature),
        b"".join(bare),  # as IEEE P1363 has it
        b"\x40" + b"".join(bare),
        b"",
        b"\x30",
        b"\x30\x80",
        NULL,
    ]
    encodings += [signature[:size] for size in range(0, len(signature), 7)]
    all_refused(ask, tally, [ec_wish(key, one) for one in encodings], [ec_wish(key, signature)])


def test_no_flipped_bit_passes(ask, torture, tally, key):
    signature = key.sign(MESSAGE, ec.ECDSA(SHA256))
    bits = range(0, 8 * len(signature), 1 if torture else 9)
    flipped = [(int.from_bytes(signature, "big") ^ 1 << bit) for bit in bits]
    wishes = [ec_wish(key, value.to_bytes(len(signature), "big")) for value in flipped]
    wishes += [ec_wish(key, signature, bytes([MESSAGE[0] ^ 1 << bit])) for bit in range(8)]
    wishes += [ec_wish(key, signature, algorithm=other) for other in (1, 3, 4)]
    all_refused(ask, tally, wishes)


def ec_spki(point, *parameters):
    return sequence(sequence(EC_PUBLIC_KEY, *parameters), der_writer.bit_string(point))


def test_points_that_are_none(ask, tally, key):
    signature = key.sign(MESSAGE, ec.ECDSA(SHA256))
    numbers = key.public_key().public_numbers()
    x, y = numbers.x, numbers.y
    parity = bytes([2 + (y & 1)])

    def at(x, y, form=b"\x04", size=32):
        return form + x.to_bytes(size, "big") + y.to_bytes(size, "big")

    twist = next(a for a in range(2, 99) if pow(a**3 - 3 * a + curves.P256.b, (P - 1) // 2, P) > 1)
    points = [
        b"\0",  # infinity
        at(0, 0),
        b"",
        at(x, y ^ 1),
        at(x ^ 1, y),
        at(y, x),
        at(twist, 1),  # no y fits: a point of the curve's twist
        at(P, y),
        at((1 << 256) - 1, y),
        at(x, P),
        at(0, P),
        parity + x.to_bytes(32, "big"),  # compressed: RFC 5480 has it as an option, we do not
        at(x, y, bytes([6 + (y & 1)])),  # hybrid
        at(x, y, b"\x05"),
        at(x, y, size=33),
        at(x, y) + b"\0",
        at(x, y)[:-1],
        at(x, y)[1:],
    ]
    if x + P < 1 << 256:
        points.append(at(x + P, y))
    wishes = [ec_wish(ec_spki(point, PRIME256V1), signature) for point in points]
    # Right in itself, and of another curve than its parameters say; parameters of other forms.
    wide = ec.generate_private_key(ec.SECP384R1())
    wide_signature = wide.sign(MESSAGE, ec.ECDSA(SHA256))
    numbers = wide.public_key().public_numbers()
    wide_point = at(numbers.x, numbers.y, size=48)
    for parameters in ((), (NULL,), (SECP384R1,), (PRIME256V1, NULL), (NULL, PRIME256V1)):
        wishes.append(ec_wish(ec_spki(at(x, y), *parameters), signature))
    wishes.append(ec_wish(ec_spki(wide_point, PRIME256V1), wide_signature))
    q = p384.P384.p
    for point in (
        at(numbers.x, numbers.y ^ 1, size=48),
        at(numbers.x, q, size=48),
        at(q, numbers.y, size=48),
        at(0, 0, size=48),
        b"\0",
        bytes([2 + (numbers.y & 1)]) + numbers.x.to_bytes(48, "big"),
        at(x, y, size=48),
    ):
        wishes.append(ec_wish(ec_spki(point, SECP384R1), wide_signature))
    good = [
        ec_wish(ec_spki(at(x, y), PRIME256V1), signature),
        ec_wish(ec_spki(wide_point, SECP384R1), wide_signature),
    ]
    all_refused(ask, tally, wishes, good)


def explicit_parameters(generator):
    """ECParameters (X9.62, forbidden by RFC 5480) that are P-256's but for the generator."""
    field = sequence(bytes.fromhex("06072a8648ce3d0101"), signed_integer(P))
    a, b = (der_writer.tlv(4, number.to_bytes(32, "big")) for number in (P - 3, curves.P256.b))
    base = der_writer.tlv(
        4, b"\x04" + b"".join(number.to_bytes(32, "big") for number in generator)
    )
    return sequence(
        der_writer.integer(1),
        field,
        sequence(a, b),
        base,
        signed_integer(N),
        der_writer.integer(1),
    )


def multiple(k, point):
    total = (1, 1, 0)
    for bit in bin(k)[2:]:
        total = jacobian.double(P, total)
        if bit == "1":
            total = jacobian.add_affine(P, total, *point)
    return jacobian.affine(P, total)


def test_a_generator_that_the_certificate_brings_along(ask, tally, key):
    # CVE-2020-0601: with the CA's public key Q as generator the private key is 1.
    numbers = key.public_key().public_numbers()
    q = (numbers.x, numbers.y)
    z = int.from_bytes(hashlib.sha256(MESSAGE).digest(), "big")
    k = 12345
    r = multiple(k, q)[0] % N
    s = pow(k, -1, N) * (z + r * 1) % N
    w = pow(s, -1, N)
    # Right for who takes this generator: u * G' + v * Q is (u + v) * Q.
    assert multiple((z * w + r * w) % N, q)[0] % N == r
    forged = sequence(signed_integer(r), signed_integer(s))
    point = b"\x04" + q[0].to_bytes(32, "big") + q[1].to_bytes(32, "big")
    own = explicit_parameters(curves.P256.g)  # the right ones, and yet explicit
    signature = key.sign(MESSAGE, ec.ECDSA(SHA256))
    wishes = [
        ec_wish(ec_spki(point, explicit_parameters(q)), forged),
        ec_wish(ec_spki(point, PRIME256V1, explicit_parameters(q)), forged),
        ec_wish(ec_spki(point, explicit_parameters(q), PRIME256V1), forged),
        ec_wish(ec_spki(point, PRIME256V1), forged),
        ec_wish(ec_spki(point, own), signature),
    ]
    all_refused(ask, tally, wishes)


# --- RSA, PKCS #1 v1.5


def raw(key, encoded):
    """The signature whose encoded message is this one: what a signer of ill will could make."""
    private = key.private_numbers()
    n = private.public_numbers.n
    return pow(int.from_bytes(encoded, "big"), private.d, n).to_bytes((n.bit_length() + 7) // 8)


def digest_info(digest=None, hash_oid=1, parameters=NULL):
    digest = hashlib.sha256(MESSAGE).digest() if digest is None else digest
    kind = der_writer.oid(bytes.fromhex("608648016503040202")[:-1] + bytes([hash_oid]))
    return sequence(sequence(kind, parameters), der_writer.tlv(4, digest))


def encoded(info, size=256, start=b"\0\x01", fill=b"\xff", end=b"\0", behind=b""):
    """EMSA-PKCS1-v1_5, or something like it."""
    padding = fill * (size - len(start) - len(end) - len(info) - len(behind))
    return start + padding + end + info + behind


def rsa_wish(key, signature, number=11, message=MESSAGE):
    return wish(spki(key), RSA % number, message.hex(), signature.hex())


def test_encoded_messages_that_are_almost_right(device, tally):
    key, info = rsa_key(2048), digest_info()
    digest = hashlib.sha256(MESSAGE).digest()
    algorithm = sequence(der_writer.oid(bytes.fromhex("608648016503040201")), NULL)
    right = encoded(info)
    made = [
        encoded(digest_info(parameters=b"")),  # no NULL: some write it so; compared is the whole
        encoded(digest_info(parameters=b"\x05\x81\0")),
        encoded(digest_info(parameters=b"\x05\x01\0")),
        encoded(digest_info(parameters=b"\x30\0")),
        encoded(digest_info(parameters=NULL + NULL)),
        encoded(digest_info(parameters=der_writer.tlv(4, bytes(32)))),
        encoded(b"\x30\x81" + info[1:]),  # BER
        encoded(b"\x30\x80" + info[2:] + b"\0\0"),
        encoded(sequence(algorithm, b"\x24\x24\x04\x20" + digest)),
        encoded(sequence(algorithm, der_writer.tlv(4, digest), NULL)),
        encoded(sequence(algorithm, der_writer.tlv(3, b"\0", digest))),
        encoded(digest),  # the bare digest
        encoded(der_writer.tlv(4, digest)),
        encoded(digest_info(hash_oid=2)),  # the OID of SHA-384, -512, -224, and of another arc
        encoded(digest_info(hash_oid=3)),
        encoded(digest_info(hash_oid=4)),
        encoded(digest_info(hash_oid=9)),
        encoded(digest_info(hashlib.sha1(MESSAGE).digest())),
        encoded(digest_info(hashlib.sha384(MESSAGE).digest(), 2)),
        encoded(digest_info(b"")),
        encoded(digest_info(digest[:-1])),
        encoded(digest_info(digest + b"\0")),
        encoded(info, behind=b"\0"),  # the digest is not at the end
        encoded(info, behind=b"\xff" * 64),
        encoded(info, start=b"\0\0"),
        encoded(info, start=b"\0\x02"),
        encoded(info, start=b"\x01\x01"),
        encoded(info, start=b"\0\0\x01"),
        encoded(info, fill=b"\0"),
        encoded(info, fill=b"\x01"),
        encoded(info, fill=b"\xfe"),
        encoded(info, end=b"\x01"),
        encoded(info, end=b""),
        encoded(info, end=b"\0\0"),
        encoded(info, start=b"\0\x01\0"),
        encoded(info, start=b"\0\x01" + b"\xff" * 8 + b"\0"),
        right[:2] + b"\x7f" + right[3:],
        right[:150] + b"\xfe" + right[151:],
        encoded(info, 255),  # too short a padding, zeros in front
        encoded(info, 11 + len(info)),
        info,
    ]
    signatures = [raw(key, message) for message in made]
    n = key.public_key().public_numbers().n
    good = raw(key, right)
    number = int.from_bytes(good, "big")
    signatures += [
        b"\0" + good,
        good[:-1],
        good[1:],
        good + b"\0",
        b"",
        bytes(256),
        (1).to_bytes(256, "big"),
        (n - 1).to_bytes(256, "big"),
        n.to_bytes(256, "big"),
        (number + n).to_bytes(257, "big"),  # the same number modulo n
        (n - number).to_bytes(256, "big"),
    ]
    if number + n < 1 << 2048:
        signatures.append((number + n).to_bytes(256, "big"))
    all_refused(
        lambda wishes: device.pki(*wishes),
        tally,
        [rsa_wish(key, one) for one in signatures]
        + [rsa_wish(key, good, other) for other in (4, 5, 12, 13, 14)],
        [rsa_wish(key, good)],
    )


def cube_root(number):
    """The least integer whose cube is not below number."""
    root = 1 << (number.bit_length() + 2) // 3
    while True:
        step = (2 * root + number // root**2) // 3
        if step >= root:
            break
        root = step
    return root if root**3 >= number else root + 1


def careless(message):
    """The DigestInfo in an encoded message, found as verifiers did that were fooled."""
    assert message.startswith(b"\0\x01\xff\xff\xff\xff\xff\xff\xff\xff")
    rest = message[2:].lstrip(b"\xff")
    assert rest[0] == 0
    return rest[1:]


def odd_digest():
    """A message whose SHA-256 is odd: only such an end has a cube root modulo a power of 2."""
    texts = (b"forged %d" % i for i in range(99))
    return next(text for text in texts if hashlib.sha256(text).digest()[-1] & 1)


def test_small_exponents(device, tally):
    key = rsa_key(2048, 3)
    n = key.public_key().public_numbers().n
    info = digest_info()
    # Bleichenbacher 2006: garbage behind the digest; the cube root needs no private key.
    start = b"\0\x01" + b"\xff" * 8 + b"\0" + info
    root = cube_root(int.from_bytes(start + bytes(256 - len(start)), "big"))
    fooled = careless((root**3).to_bytes(256, "big"))
    assert root**3 < n
    assert fooled.startswith(info) and len(fooled) > len(info)
    wishes = [rsa_wish(key, root.to_bytes(256, "big"))]
    # Kuehn 2006, and CVE-2014-1568: garbage inside of the DigestInfo, as parameters or as octets
    # of a length, and the digest where it belongs. Both ends come from cube roots.
    message = odd_digest()
    digest = hashlib.sha256(message).digest()
    end = b"\x04\x20" + digest
    kind = der_writer.oid(bytes.fromhex("608648016503040201"))
    for garbage in (b"\x04\x81", b"\x05\x81"):
        for fill in (8, 9):
            start = b"\0\x01" + b"\xff" * fill + b"\0"
            inside = 256 - len(start) - 3  # of the DigestInfo
            parameters = inside - len(end) - 3 - len(kind) - 3
            start += b"\x30\x81" + bytes([inside]) + b"\x30\x81"
            start += bytes([len(kind) + 3 + parameters]) + kind + garbage + bytes([parameters])
            low = pow(int.from_bytes(end, "big"), pow(3, -1, 1 << 8 * len(end) - 1), 1 << 272)
            assert pow(low, 3, 1 << 272) == int.from_bytes(end, "big")
            high = cube_root(int.from_bytes(start + bytes(256 - len(start)), "big"))
            forged = (high >> 272) + 1 << 272 | low
            found = (forged**3).to_bytes(256, "big")
            assert forged**3 < n and found.startswith(start) and found.endswith(end)
            assert careless(found)[-32:] == digest
            wishes.append(rsa_wish(key, forged.to_bytes(256, "big"), message=message))
    good = key.sign(MESSAGE, padding.PKCS1v15(), SHA256)  # 3 itself is accepted
    all_refused(lambda wishes: device.pki(*wishes), tally, wishes, [rsa_wish(key, good)])


def rsa_spki(n, e, parameters=NULL, behind=b""):
    numbers = sequence(signed_integer(n), signed_integer(e), behind)
    return sequence(sequence(RSA_ENCRYPTION, parameters), der_writer.bit_string(numbers)).hex()


def test_keys_that_are_none(device, tally):
    key = rsa_key(2048)
    n, right = key.public_key().public_numbers().n, encoded(digest_info())
    good = raw(key, right).hex()
    small = rsa_key(1024)
    mine = rsa_key(2048, which=1)
    # With e = 1 the encoded message is its own signature; e = 0 makes 1 of everything.
    cases = [(rsa_spki(n, 1), right.hex()), (rsa_spki(n, 0), right.hex())]
    cases += [(rsa_spki(n, e), good) for e in (2, 4, 65536, -1, -65537, (1 << 32) + 1, 1 << 2047)]
    cases += [(rsa_spki(n, e), right.hex()) for e in (-1, 1 << 64 | 1, n)]
    cases += [(rsa_spki(m, 65537), good) for m in (0, 1, -1, -n, 15, n >> 1, n << 2049 | 1)]
    cases += [
        (rsa_spki(n, 65537, behind=NULL), good),
        (rsa_spki(n, 65537, parameters=b"\x05\x01\0"), good),
        (rsa_spki(n, 65537, parameters=NULL + NULL), good),
        (rsa_spki(n, 65537, parameters=PRIME256V1), good),
        (rsa_spki(n, 65537) + "00", good),
        (spki(small), raw(small, encoded(digest_info(), 128)).hex()),
        (spki(mine), good),
        (ec_spki(b"\x04" + bytes(64), PRIME256V1).hex(), good),
        (ec_spki(der_writer.integer(n), NULL).hex(), good),
    ]
    wishes = [wish(public, RSA % 11, MESSAGE.hex(), signature) for public, signature in cases]
    known = wish(rsa_spki(n, 65537), RSA % 11, MESSAGE.hex(), good)
    bare = wish(rsa_spki(n, 65537, parameters=b""), RSA % 11, MESSAGE.hex(), good)  # some write so
    all_refused(lambda wishes: device.pki(*wishes), tally, wishes, [known, bare])


# --- RSASSA-PSS


def test_pss_that_is_almost_right(device, tally):
    key = rsa_key(2048)
    n = key.public_key().public_numbers().n

    def signed(mask, salt, digest=SHA256):
        return key.sign(MESSAGE, padding.PSS(padding.MGF1(mask), salt), digest).hex()

    good = signed(SHA256, 32)
    number = int.from_bytes(bytes.fromhex(good), "big")
    opened = pow(number, 65537, n).to_bytes(256, "big")  # EM: masked DB, H, 0xbc
    private = key.private_numbers().d

    def again(message):
        return pow(int.from_bytes(message, "big") % n, private, n).to_bytes(256, "big").hex()

    plain = key.sign(MESSAGE, padding.PKCS1v15(), SHA256).hex()
    whole = [
        wish(spki(key), pss(1, 32), MESSAGE.hex(), one)
        for one in (
            signed(SHA256, 0),
            signed(SHA256, 31),
            signed(SHA256, 33),
            signed(SHA384, 32),
            signed(SHA384, 32, SHA384),
            signed(SHA256, 222),
            plain,
            again(opened[:-1] + b"\xcc"),  # another trailer
            again(opened[:40] + bytes([opened[40] ^ 1]) + opened[41:]),  # padding that is not zero
            again(bytes([opened[0] ^ 0x80 if opened[0] < 0x80 else opened[0]]) + opened[1:]),
            again(opened[:-2] + bytes([opened[-2] ^ 1]) + opened[-1:]),  # H
            "00" + good,
            good[2:],
            good + "00",
            "",
            n.to_bytes(256, "big").hex(),
            (number + n).to_bytes(257, "big").hex(),
            "00" * 256,
        )
    ]
    # Parameters: another salt, a hash and its mask that differ, odd numbers, SHA-1 by default.
    salts = [pss(1, salt) for salt in (0, 31, 33, 127)] + [pss(1, 255), pss(2, 32), pss(3, 32)]
    salts.append(pss(1, 32).replace("04020105", "04020205", 1))
    salts += [
        wrong_trailer(2),
        wrong_trailer(0),
        "300d06092a864886f70d01010a3000",
        "300b06092a864886f70d01010a",
        "300d06092a864886f70d01010a0500",
        RSA % 11,
    ]
    whole += [wish(spki(key), one, MESSAGE.hex(), good) for one in salts]
    known = wish(spki(key), pss(1, 32), MESSAGE.hex(), good)
    all_refused(lambda wishes: device.pki(*wishes), tally, whole, [known])
    assert rsa_pss.parameters(bytes.fromhex(wrong_trailer(1))) == (1, 32)


def wrong_trailer(number):
    """The parameters of pss(1, 32) with a trailer field."""
    fields = der.sequence(bytes.fromhex(pss(1, 32)))
    kind = der_writer.oid(fields.oid())
    inside = bytes(fields.enter().raw)[2:]
    return sequence(kind, sequence(inside, der_writer.tlv(0xA3, der_writer.integer(number)))).hex()
