"""What an application on a board does to enrol, and to renew what it got; wish.json says how."""

import asyncio
import json
from binascii import hexlify, unhexlify

import est
from heap import let_go

# What one step needs and the next does not, as devid has it.
_FOR_TRUST = ("base64_stream", "est_", "pki.", "tls_context")


async def _issued(wish, anchors, key=None, certificate=None, chain=()):
    """Enrol, or renew with a new key; return the key (SEC 1), the certificate and its chain."""
    client = est.Client(
        "127.0.0.1",
        wish["port"],
        anchors=anchors,
        user=wish["user"],
        password=wish["password"],
        certificate=certificate,
        key=key,
        intermediates=chain,
    )
    async with client:
        await client.cacerts()
        await let_go(*_FOR_TRUST)
        attributes = None
        if wish.get("csrattrs"):
            attributes = await client.csrattrs()
        else:
            await client.park()
        from pki import csr_parts

        made = csr_parts.parts("CN=pump 7", attributes=attributes)
        del csr_parts
        attributes = None
        await let_go("pki.")
        from pki import csr, keys

        key = await keys.generate()
        request = await csr.signed(key, *made)
        private = await key.private_bytes()
        key = csr = keys = made = None
        await let_go("pki.")
        send = client.simplereenroll if certificate else client.simpleenroll
        issued = bytes(await send(request, close=True))
    return private, issued, client.chain


async def _main(wish):
    anchors = [unhexlify(raw) for raw in wish.pop("anchors")]
    identity = await _issued(wish, anchors)
    if wish.get("renew"):
        await let_go("est", *_FOR_TRUST)
        old = identity[1]
        identity = await _issued(wish, anchors, *identity)
        assert identity[1] != old
    return identity[:2]


with open("wish.json") as file:
    wish = json.load(file)
key, certificate = asyncio.run(_main(wish))
print(json.dumps({"key": hexlify(key).decode(), "certificate": hexlify(certificate).decode()}))
