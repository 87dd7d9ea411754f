"""EnvelopedData: what OpenSSL made (vectors/cms), and what nobody should send."""

import hashlib
import sys
from binascii import unhexlify

from checks import araises, raises, vector
from est_errors import ConfigError, DerError, EstError, KeyFault, LimitError, ProtocolError
from pki import aes, csr, der, der_writer, enveloped, key_protection, keys
from test_keys import SEC1

KEY = vector("rfc9148/serverkeygen.key.der")
KEK = bytes(range(32))
SHARED = (b"\xaa\xbb", KEK)
# CMS: EnvelopedData, data, SignedData; AES-256 in CBC and its key wrap.
ENVELOPED = unhexlify("06092a864886f70d010703")
DATA = unhexlify("06092a864886f70d010701")
SIGNED = unhexlify("06092a864886f70d010702")
AES_CBC = unhexlify("060960864801650304012a")
AES_WRAP = unhexlify("300b060960864801650304012d")
KEY_PACKAGE = unhexlify("060a6086480165020102 4e05".replace(" ", ""))
CONTENT_KEY = b"k" * 32


def message(name):
    return vector("cms/" + name + ".der")


def wrap(kek, key):
    """RFC 3394 2.2.1, as the sender does it."""
    block, parts = b"\xa6" * 8, [key[i : i + 8] for i in range(0, len(key), 8)]
    for t in range(6 * len(parts)):
        at = t % len(parts)
        out = aes._new(kek, 1).encrypt(block + parts[at])
        block = out[:7] + bytes((out[7] ^ t + 1,))
        parts[at] = out[8:]
    return block + b"".join(parts)


def padded(plain):
    size = 16 - len(plain) % 16
    return plain + bytes((size,)) * size


def sealed(plain, recipients=None, kek=KEK, iv=bytes(16), tail=b"", pad=padded):
    """Return an EnvelopedData message around plain, for SHARED unless others are given."""
    if recipients is None:
        recipients = [for_shared(kek)]
    content = aes._new(CONTENT_KEY, 2, iv).encrypt(pad(plain)) if plain is not None else b""
    return der_writer.tlv(
        der.SEQUENCE,
        ENVELOPED,
        der_writer.tlv(
            0xA0,
            der_writer.tlv(
                der.SEQUENCE,
                der_writer.integer(2),
                der_writer.tlv(der.SET, *recipients),
                der_writer.tlv(
                    der.SEQUENCE,
                    DATA,
                    der_writer.tlv(der.SEQUENCE, AES_CBC, der_writer.tlv(der.OCTET_STRING, iv)),
                    der_writer.tlv(0x80, content + tail),
                ),
            ),
        ),
    )


def for_shared(kek=KEK, identifier=b"\xaa\xbb"):
    return der_writer.tlv(
        0xA2,
        der_writer.integer(4),
        der_writer.tlv(der.SEQUENCE, der_writer.tlv(der.OCTET_STRING, identifier)),
        AES_WRAP,
        der_writer.tlv(der.OCTET_STRING, wrap(kek, CONTENT_KEY)),
    )


def test_the_key_wrap_of_rfc_3394():
    key = unhexlify("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")
    for kek, size, wrapped in (
        (16, 16, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"),
        (32, 16, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"),
        (
            32,
            32,
            "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21",
        ),
    ):
        assert aes.unwrap(KEK[:kek], unhexlify(wrapped)) == key[:size]
        assert wrap(KEK[:kek], key[:size]) == unhexlify(wrapped)
        broken = unhexlify(wrapped[:-1] + ("0" if wrapped[-1] != "0" else "1"))
        assert aes.unwrap(KEK[:kek], broken) is None
    for wrong in (b"", bytes(16), bytes(25), bytes(48)):
        assert aes.unwrap(KEK, wrong) is None


def test_a_firmware_without_aes_is_an_error_that_says_so():
    real = sys.modules.get("cryptolib")
    sys.modules["cryptolib"] = sys  # which has no `aes`
    try:
        error = raises(KeyFault, aes.unwrap, KEK, bytes(24))
    finally:
        if real:
            sys.modules["cryptolib"] = real
        else:
            del sys.modules["cryptolib"]
    assert "no cryptolib" in str(error)


async def test_a_shared_key_opens_what_openssl_encrypted():
    assert await enveloped.private_key(message("kek-256"), SHARED) == KEY
    assert await enveloped.private_key(message("kek-128"), (b"\xaa\xbb", KEK[:16])) == KEY


async def test_a_p256_key_opens_what_openssl_encrypted_by_ecdh():
    key = await keys.load(SEC1)
    for name in ("sha256", "sha1", "sha384", "sha512-cofactor", "keyid", "ber"):
        assert await enveloped.private_key(message("ecdh-" + name), key) == KEY, name


async def test_keying_material_of_the_user_goes_into_the_kdf():
    # RFC 5753 7.2: ukm is entityUInfo of ECC-CMS-SharedInfo.
    own, other = await keys.load(SEC1), await keys.generate()
    info = AES_WRAP + unhexlify("a0050403 756b6d a206040400000100".replace(" ", ""))
    secret = await other.exchange((await own.public_key())[-65:])
    shared_info = der_writer.tlv(der.SEQUENCE, info)
    kek = hashlib.sha256(secret + b"\0\0\0\1" + shared_info).digest()
    point = der_writer.bit_string((await other.public_key())[-65:])
    recipient = der_writer.tlv(
        0xA1,
        der_writer.integer(3),
        der_writer.tlv(0xA0, der_writer.tlv(0xA1, der_writer.tlv(der.SEQUENCE), point)),
        der_writer.tlv(0xA1, der_writer.tlv(der.OCTET_STRING, b"ukm")),
        der_writer.tlv(der.SEQUENCE, unhexlify("06062b8104010b01"), AES_WRAP),
        der_writer.tlv(
            der.SEQUENCE,
            der_writer.tlv(
                der.SEQUENCE,
                der_writer.tlv(0xA0, der_writer.tlv(der.OCTET_STRING, b"id")),
                der_writer.tlv(der.OCTET_STRING, wrap(kek, CONTENT_KEY)),
            ),
        ),
    )
    assert await enveloped.private_key(sealed(KEY, [recipient]), own) == KEY


async def test_a_signed_key_package_is_taken_out():
    assert await enveloped.private_key(message("kek-256-signed"), SHARED) == KEY
    package = der_writer.tlv(der.SEQUENCE, KEY)
    content = der_writer.tlv(0xA0, der_writer.tlv(der.OCTET_STRING, package))
    contents = (
        der_writer.integer(3),
        b"\x31\x00",
        der_writer.tlv(der.SEQUENCE, KEY_PACKAGE, content),
        b"\x31\x00",
    )
    signed = der_writer.tlv(der.SEQUENCE, *contents)
    information = der_writer.tlv(der.SEQUENCE, SIGNED, der_writer.tlv(0xA0, signed))
    for plain in (package, signed, information, b"".join(contents)):
        assert await enveloped.private_key(sealed(plain), SHARED) == KEY


async def test_what_is_no_single_key_is_refused():
    for plain in (
        der_writer.tlv(der.SEQUENCE, KEY, KEY),
        der_writer.tlv(der.SEQUENCE),
        der_writer.tlv(
            der.SEQUENCE,
            SIGNED,
            der_writer.tlv(0xA0, der_writer.tlv(der.SEQUENCE, der_writer.integer(1))),
        ),
        b"",
        b"\x30",
        b"\x02\x01\x01\x31\x00",
        KEY + b"\0",
        b"\x30\x80" * 60,
    ):
        await araises(ProtocolError, enveloped.private_key(sealed(plain), SHARED))


async def test_another_key_opens_nothing():
    other = (b"\xaa\xbb", bytes(32))
    error = await araises(KeyFault, enveloped.private_key(message("kek-256"), other))
    assert "another key" in str(error)
    await araises(KeyFault, enveloped.private_key(message("kek-256"), (b"\xaa\xbc", KEK)))
    other = await keys.generate()
    await araises(KeyFault, enveloped.private_key(message("ecdh-sha256"), other))
    error = await araises(
        ConfigError, enveloped.private_key(message("kek-256"), (b"\xaa\xbb", KEK[:16]))
    )
    assert "32 octets" in str(error)


async def test_what_was_not_asked_for_is_refused_by_name():
    key = await keys.load(SEC1)
    for name, decrypt, text in (
        ("rsa", key, "RSA key transport"),
        ("rsa", SHARED, "RSA key transport"),
        ("password", SHARED, "a password"),
        ("kek-256", key, "a symmetric key"),
        ("ecdh-sha256", SHARED, "ECDH"),
    ):
        error = await araises(KeyFault, enveloped.private_key(message(name), decrypt))
        assert text in str(error), error
    error = await araises(ProtocolError, enveloped.private_key(message("kek-256-gcm"), SHARED))
    assert "not" in str(error)
    error = await araises(KeyFault, enveloped.private_key(message("kek-256-cbc-192"), SHARED))
    assert "192 bits" in str(error)


async def test_algorithms_that_are_unknown_are_named():
    whole = message("ecdh-sha256")
    kdf = unhexlify("06062b810401 0b01".replace(" ", ""))
    key = await keys.load(SEC1)
    unknown = whole.replace(kdf, kdf[:-1] + b"\x00")  # SHA-224
    error = await araises(ProtocolError, enveloped.private_key(unknown, key))
    assert "1.3.132.1.11.0" in str(error)
    unknown = message("kek-256").replace(AES_CBC, AES_CBC[:-1] + b"\x2b")
    error = await araises(ProtocolError, enveloped.private_key(unknown, SHARED))
    assert "2.16.840.1.101.3.4.1.43" in str(error)


async def test_a_corrupted_wrap_or_point_opens_nothing():
    whole = message("kek-256")
    at = whole.find(AES_WRAP) + len(AES_WRAP) + 2
    broken = bytearray(whole)
    broken[at + 5] ^= 1
    await araises(KeyFault, enveloped.private_key(bytes(broken), SHARED))
    broken = bytearray(message("ecdh-sha256"))
    broken[broken.find(b"\x03\x42\x00\x04") + 20] ^= 1
    await araises(DerError, enveloped.private_key(bytes(broken), await keys.load(SEC1)))


async def test_all_that_is_wrong_with_the_content_is_one_error():
    texts = []
    for wrong in (
        sealed(None),
        sealed(None, tail=bytes(15)),
        sealed(KEY, tail=bytes(1)),
        sealed(b"", pad=lambda plain: bytes(16)),
        sealed(b"", pad=lambda plain: b"\x11" * 16),
        sealed(b"", pad=lambda plain: b"\x01" * 14 + b"\x02\x03"),
    ):
        texts.append(str(await araises(ProtocolError, enveloped.private_key(wrong, SHARED))))
    assert len(set(texts)) == 1, texts


async def test_many_recipients_are_bounded():
    strangers = [for_shared(b"x" * 32)] * 5
    await araises(LimitError, enveloped.private_key(sealed(KEY, strangers), SHARED))
    mine = [for_shared(b"x" * 32, b"other"), for_shared()]
    assert await enveloped.private_key(sealed(KEY, mine), SHARED) == KEY


async def test_every_truncation_is_refused():
    key = await keys.load(SEC1)
    for name, decrypt, step in (("kek-256", SHARED, 1), ("ecdh-ber", key, 11)):
        whole = message(name)
        for size in range(0, len(whole), step):
            await araises(ProtocolError, enveloped.private_key(whole[:size], decrypt))


async def test_octets_that_are_changed_raise_nothing_but_errors_of_ours():
    key = await keys.load(SEC1)
    for name, decrypt, step in (("kek-256-signed", SHARED, 1), ("ecdh-ber", key, 7)):
        whole = bytearray(message(name))
        for at in range(0, len(whole), step):
            for change in (0x01, 0x80, 0xFF):
                whole[at] ^= change
                try:
                    await enveloped.private_key(bytes(whole), decrypt)
                except EstError:
                    pass
                whole[at] ^= change


async def test_a_content_that_is_changed_raises_nothing_but_errors_of_ours():
    plain = der_writer.tlv(der.SEQUENCE, KEY)
    content = der_writer.tlv(0xA0, der_writer.tlv(der.OCTET_STRING, plain))
    inner = der_writer.tlv(der.SEQUENCE, KEY_PACKAGE, content)
    signed = bytearray(
        der_writer.tlv(der.SEQUENCE, der_writer.integer(3), b"\x31\x00", inner, b"\x31\x00")
    )
    for at in range(len(signed)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            signed[at] ^= change
            try:
                enveloped._inside(bytes(signed))
            except ProtocolError:
                pass
            signed[at] ^= change


def test_the_attributes_of_a_request():
    identifier, capabilities = key_protection.symmetric(b"\xaa\xbb")
    assert identifier == unhexlify("3013060b2a864886f70d0109100225310404 02aabb".replace(" ", ""))
    kind = der.sequence(capabilities)
    assert kind.oid() == unhexlify("2a864886f70d01090f")
    offered = []
    reader = der.sequence(bytes(kind.enter(der.SET).element()))
    while reader.more():
        offered.append(reader.enter().oid()[-1])
    assert offered == [42, 2, 45]
    identifier, capabilities = key_protection.asymmetric(b"\xaa\xbb")
    assert identifier[2:15] == unhexlify("060b2a864886f70d0109100236")
    assert unhexlify("06062b8104010b01300b060960864801650304012d") in capabilities


async def test_the_attributes_stand_in_the_request_in_ascending_order():
    more = key_protection.symmetric(b"\xaa\xbb")
    request = await csr.build(await keys.load(SEC1), "CN=x", ["dns:x.example"], more=more)
    information = der.sequence(request).enter()
    information.integer()
    for _ in range(2):
        information.element()  # subject, key
    attributes = information.enter(der.CONSTRUCTED_CONTEXT)
    found = []
    while attributes.more():
        found.append(bytes(attributes.element()))
    assert len(found) == 3 and found == sorted(found)
    assert all(attribute in found for attribute in more)
