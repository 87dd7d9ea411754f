"""What an application on a board does to get a key that the server makes; wish.json says how."""

import asyncio
import hashlib
import json
from binascii import hexlify, unhexlify

import est
from heap import forget

# What one step needs and the next does not, as devid has it.
_FOR_TRUST = (
    "est_adopt",
    "est_cacerts",
    "est_issued",
    "est_anchors",
    "est_server",
    "pki.algorithms",
    "pki.cms",
    "pki.ip_address",
    "pki.path",
    "pki.path_rules",
    "pki.server_name",
    "pki.signature",
    "pki.x509",
)
_FOR_REQUEST = ("pki.csr", "pki.key_protection", "pki.name", "pki.rfc6979")
_FOR_KEY = ("pki.entropy", "pki.keys", "pki.p256")


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
        await client.cacerts(close=True)  # one more handshake, for the heap that the request takes
        forget(*_FOR_TRUST)
        request, decrypt = await _request(wish)
        forget(*_FOR_REQUEST)
        if "ecdh" not in wish:  # else the key that decrypts holds them in the heap
            forget(*_FOR_KEY)
        return await client.serverkeygen(request, decrypt, close=True)


with open("wish.json") as file:
    wish = json.load(file)
key, certificate = asyncio.run(_keygen(wish))
print(json.dumps({"key": hexlify(key).decode(), "certificate": hexlify(certificate).decode()}))
