"""What an application on a board does to get a key that the server makes; wish.json says how."""

import asyncio
import hashlib
import json
from binascii import hexlify, unhexlify

import est
from heap import forget

# What one step needs and the next does not, as devid has it.
_FOR_TRUST = (
    "est_cacerts",
    "est_anchors",
    "pki.path",
    "pki.x509",
    "pki.cms",
    "pki.name",
    "pki.signature",
    "pki.ec",
    "pki.oid",
)
_FOR_REQUEST = ("pki.csr", "pki.key_protection", "pki.keys", "pki.p256", "pki.name", "pki.oid")


async def _request(wish):
    """Return (request, what decrypts the key)."""
    from pki import csr, key_protection, keys

    key = await keys.generate()
    more, decrypt = [], None
    if "kek" in wish:
        decrypt = (b"\xaa\xbb", unhexlify(wish["kek"]))
        more = key_protection.symmetric(decrypt[0])
    elif "ecdh" in wish:
        decrypt = key
        identifier = hashlib.sha1((await key.public_key())[-65:]).digest()
        more = key_protection.asymmetric(identifier)
    return await csr.build(key, "CN=pump", more=more), decrypt


async def _keygen(wish):
    client = est.Client(
        "127.0.0.1",
        wish["port"],
        anchors=[unhexlify(raw) for raw in wish["anchors"]],
        user=wish["user"],
        password=wish["password"],
    )
    async with client:
        await client.cacerts()
        forget(*_FOR_TRUST)
        request, decrypt = await _request(wish)
        forget(*_FOR_REQUEST)
        return await client.serverkeygen(request, decrypt, close=True)


with open("wish.json") as file:
    wish = json.load(file)
key, certificate = asyncio.run(_keygen(wish))
print(json.dumps({"key": hexlify(key).decode(), "certificate": hexlify(certificate).decode()}))
