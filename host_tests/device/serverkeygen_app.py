"""What an application on a board does to get a key that the server makes; wish.json says how."""

import asyncio
import hashlib
import json
from binascii import hexlify, unhexlify

import est
from heap import let_go

# What one step needs and the next does not, as devid has it.
_FOR_TRUST = ("base64_stream", "est_", "pki.", "tls_context")


async def _request(wish):
    """Return (request, what decrypts the key)."""
    from pki import csr, key_protection, keys, p256

    key = await keys.generate()
    more, decrypt = [], None
    if "kek" in wish:
        decrypt = (b"\xaa\xbb", unhexlify(wish["kek"]))
        more = key_protection.symmetric(decrypt[0])
    elif "ecdh" in wish:
        decrypt = key
        identifier = hashlib.sha1((await key.public_key())[-65:]).digest()
        more = key_protection.asymmetric(identifier)
    request = await csr.build(key, "CN=pump", more=more)
    p256.forget()  # where the key stays, so would the engine that signed with it
    return request, decrypt


async def _keygen(wish):
    client = est.Client(
        "127.0.0.1",
        wish["port"],
        anchors=[unhexlify(raw) for raw in wish.pop("anchors")],
        user=wish["user"],
        password=wish["password"],
    )
    async with client:
        await client.cacerts(close=True)  # one more handshake, for the heap that the request takes
        await let_go(*_FOR_TRUST)
        request, decrypt = await _request(wish)
        await let_go(*_FOR_TRUST)
        return await client.serverkeygen(request, decrypt, close=True)


with open("wish.json") as file:
    wish = json.load(file)
key, certificate = asyncio.run(_keygen(wish))
print(json.dumps({"key": hexlify(key).decode(), "certificate": hexlify(certificate).decode()}))
