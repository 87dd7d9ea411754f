"""What an application on a board does to enrol by Full CMC; wish.json says how."""

import asyncio
import json
from binascii import hexlify, unhexlify

import est
from heap import let_go

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


async def _enrol(wish):
    client = est.Client(
        "127.0.0.1",
        wish["port"],
        anchors=[unhexlify(raw) for raw in wish.pop("anchors")],
        user=wish["user"],
        password=wish["password"],
    )
    async with client:
        await client.cacerts()
        await let_go(*_FOR_TRUST)
        from pki import csr_parts

        subject, extensions, more = csr_parts.parts("CN=pump")
        del csr_parts
        await let_go("pki.")  # names, before the key takes their room
        from pki import cmc, csr, keys

        key = await keys.generate()
        extensions.append(cmc.identified(await key.public_key()))
        request = await csr.signed(key, subject, extensions, more)
        del cmc, csr, keys
        await let_go("pki.")
        certificate = await client.fullcmc(request, key, close=True)
        await let_go("est_", "pki.")  # what has checked it
        return await key.private_bytes(), certificate


with open("wish.json") as file:
    wish = json.load(file)
key, certificate = asyncio.run(_enrol(wish))
print(json.dumps({"key": hexlify(key).decode(), "certificate": hexlify(certificate).decode()}))
