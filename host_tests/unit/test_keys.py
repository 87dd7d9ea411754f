import hashlib
from binascii import unhexlify

from checks import araises
from est_errors import KeyFault
from pki import ec, encoded_key, keys, signature

# Made with `openssl ecparam -genkey`, `openssl pkcs8 -topk8` and `openssl ec -pubout`.
SCALAR = "08eba845184fe3e816480955373d87e65557ae3bbfbeab88b67e3344d3d6757d"
POINT = (
    "0496d9255c2d6c4ab7dcd2b4531758bc9df44589832a1c4d15947d47e09179161c"
    "00089f70d94cd7e66c6f30e666d8841f8385d3fb5fbb118116159610ff264865"
)
SEC1 = unhexlify("30770201010420" + SCALAR + "a00a06082a8648ce3d030107a144034200" + POINT)
PKCS8 = unhexlify(
    "308187020100301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420"
    + SCALAR
    + "a144034200"
    + POINT
)
SPKI = unhexlify("3059301306072a8648ce3d020106082a8648ce3d030107034200" + POINT)
P384 = unhexlify(
    "3081a40201010430f348c08adfeb601fd4a0b022449179782c1fadd44445334621d4f05c6c731047191a531c08"
    "15c5857badb5a258a58e42a00706052b81040022a16403620004753b9a8082ed5f5dfaab36751a77f4a1968b92"
    "dc87467b08836de2f5cc457d7ce8fab0003e82ff19688e7857ec20c53380571b5c1b3cd4b25e96995c959a02ad"
    "9163c61b36184ee3fc3e897c8c320c0ceee37e6e13a16dbd5d644787de1e785d"
)


async def test_the_encodings_of_openssl():
    for encoded in (SEC1, PKCS8):
        key = await keys.load(encoded)
        assert await key.public_key() == SPKI
        assert await key.private_bytes() == SEC1
    assert keys.spki(unhexlify(POINT)) == SPKI


async def test_pkcs8_wraps_and_is_read_again():
    key = await keys.generate()
    sec1 = await key.private_bytes()
    for encoded in (sec1, encoded_key.to_pkcs8(sec1)):
        assert await (await keys.load(encoded)).private_bytes() == sec1


async def test_a_generated_key_signs():
    key = await keys.generate()
    digest = hashlib.sha256(b"text").digest()
    signed = await key.sign(digest)
    await signature.verify(await key.public_key(), key.signature_algorithm, b"text", signed)
    assert await key.sign(digest) == signed, "the nonce is RFC 6979's"
    await araises(KeyFault, key.sign(b"short"))


async def test_a_key_never_shows_itself():
    key = await keys.load(SEC1)
    assert SCALAR not in repr(key) and str(int(SCALAR, 16)) not in repr(key)


async def test_every_truncation_is_refused_and_shows_nothing():
    for whole in (SEC1, PKCS8):
        for size in range(len(whole)):
            error = await araises(KeyFault, keys.load(whole[:size]))
            assert SCALAR[:8] not in str(error)
        await araises(KeyFault, keys.load(whole + b"\0"))


async def test_keys_that_are_no_p256_keys_are_refused():
    await araises(KeyFault, keys.load(P384))
    await araises(KeyFault, keys.load(PKCS8.replace(b"\x03\x01\x07", b"\x03\x01\x06")))
    await araises(KeyFault, keys.load(SEC1.replace(b"\x03\x01\x07", b"\x03\x01\x06")))
    for scalar in (0, ec.P256.n, (1 << 256) - 1):
        wrong = SEC1[:7] + scalar.to_bytes(32, "big") + SEC1[39:]
        assert "out of range" in str(await araises(KeyFault, keys.load(wrong)))


async def test_a_public_key_that_is_not_its_own_is_refused():
    other = SEC1[:7] + (5).to_bytes(32, "big") + SEC1[39:]
    assert "not its own" in str(await araises(KeyFault, keys.load(other)))
    await araises(KeyFault, keys.load(SEC1[:-1] + b"\x66"))
