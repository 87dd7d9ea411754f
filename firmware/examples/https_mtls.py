"""An HTTPS request with the board's own certificate: copy it to the board as app.py.

Not with micropython-lib's `requests`: it verifies no server and takes no TLS context. The server
needs a certificate under the same CA; for another one, context.load_verify_locations(der) adds it.
"""

import asyncio

HOST = "api.example.com"
PORT = 443
PATH = "/telemetry"
DEADLINE = 30  # seconds for one step: connecting, sending with the handshake, each line


async def post(context, body):
    """Send body (bytes); return the status (int) and the answer (bytes)."""
    opening = asyncio.open_connection(HOST, PORT, ssl=context, server_hostname=HOST)
    reader, writer = await asyncio.wait_for(opening, DEADLINE)
    try:
        head = "POST %s HTTP/1.0\r\nHost: %s\r\nContent-Length: %d\r\n\r\n"
        writer.write((head % (PATH, HOST, len(body))).encode() + body)
        await asyncio.wait_for(writer.drain(), DEADLINE)  # the handshake is in here
        status = int((await asyncio.wait_for(reader.readline(), DEADLINE)).split()[1])
        length = 0
        while True:
            line = await asyncio.wait_for(reader.readline(), DEADLINE)
            if not line.strip():
                break
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        return status, await asyncio.wait_for(reader.readexactly(length), DEADLINE)
    finally:
        writer.close()


async def main(identity):
    """Be called by main.py, with the DeviceIdentity."""
    status, answer = await post(identity.ssl_context(), b'{"pressure": 3.2}')
    print("server said", status, answer)
