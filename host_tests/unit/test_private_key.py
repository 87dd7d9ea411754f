from binascii import unhexlify

from checks import araises, vector
from est_errors import KeyFault
from pki import cms, der, der_writer, encoded_key, private_key, x509
from test_keys import P384, PKCS8, SEC1, SPKI

RSA = vector("rfc7030/serverkeygen.key.der")


def rsa_numbers():
    """Return the RSAPrivateKey in RSA, and its nine numbers."""
    reader = der.sequence(RSA)
    reader.integer()
    reader.element()
    pkcs1 = bytes(reader.take(der.OCTET_STRING))
    reader = der.sequence(pkcs1)
    numbers = []
    while reader.more():
        numbers.append(reader.integer())
    return pkcs1, numbers


def rsa(numbers):
    return der_writer.tlv(der.SEQUENCE, *[der_writer.integer(number) for number in numbers])


async def test_a_p256_key_in_each_encoding():
    assert await private_key.read(PKCS8) == (PKCS8, SPKI)
    assert await private_key.read(SEC1) == (encoded_key.to_pkcs8(SEC1), SPKI)


async def test_the_keys_of_the_examples_are_those_of_their_certificates():
    for name in ("rfc7030", "rfc9148"):
        _, public = await private_key.read(vector(name + "/serverkeygen.key.der"))
        issued = cms.certificates(vector(name + "/serverkeygen.p7.der"), 1)[0]
        assert x509.Certificate(issued).public_key == public


async def test_rsa_in_pkcs_1_becomes_pkcs_8():
    pkcs1, _ = rsa_numbers()
    assert await private_key.read(pkcs1) == await private_key.read(RSA)
    assert (await private_key.read(pkcs1))[0] == RSA


async def test_rsa_numbers_that_do_not_belong_together():
    _, numbers = rsa_numbers()
    for i in range(1, 9):
        for change in (2, -2):
            wrong = list(numbers)
            wrong[i] += change
            await araises(KeyFault, private_key.read(rsa(wrong)))
    swapped = numbers[:4] + [numbers[5], numbers[4]] + numbers[6:]
    await araises(KeyFault, private_key.read(rsa(swapped)))
    for i in range(1, 9):
        await araises(KeyFault, private_key.read(rsa(numbers[:i] + [0] + numbers[i + 1 :])))
    multi_prime = [1] + numbers[1:]
    assert "damaged" in str(await araises(KeyFault, private_key.read(rsa([0] + multi_prime))))


async def test_rsa_keys_that_are_too_large():
    _, numbers = rsa_numbers()
    large = numbers[:1] + [1 << 4097 | 1] + numbers[2:]
    assert "4098 bits" in str(await araises(KeyFault, private_key.read(rsa(large))))


async def test_other_kinds_are_refused_by_name():
    ed25519 = unhexlify("302e020100300506032b657004220420" + "11" * 32)
    pkcs8 = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(0),
        unhexlify("301006072a8648ce3d020106052b81040022"),
        der_writer.tlv(der.OCTET_STRING, P384),
    )
    for encoded, text in ((ed25519, "1.3.101.112"), (pkcs8, "P-384"), (P384, "no SEC 1 or")):
        assert text in str(await araises(KeyFault, private_key.read(encoded)))


async def test_every_truncation_is_refused_and_shows_nothing():
    for whole, step in ((PKCS8, 1), (RSA, 37)):
        for size in range(0, len(whole), step):
            error = await araises(KeyFault, private_key.read(whole[:size]))
            assert "08eba8" not in str(error)
        await araises(KeyFault, private_key.read(whole + b"\0"))


async def test_octets_that_are_changed_raise_nothing_but_errors_of_ours():
    for encoded, step in ((PKCS8, 2), (SEC1, 3), (RSA, 13)):
        whole = bytearray(encoded)
        for at in range(0, len(whole), step):
            for change in (0x01, 0x80):
                whole[at] ^= change
                try:
                    await private_key.read(bytes(whole))
                except KeyFault:
                    pass
                whole[at] ^= change
