"""The operations /simpleenroll and /simplereenroll of est.Client (RFC 7030 4.2)."""


async def fetch(client, operation, csr, close):
    """Send a request; return what was issued: DER certificates, unchecked. See est_issued."""
    if not client.ca_certificates:
        await client.cacerts()  # RFC 7030 4.2: current CA certificates before enrolling
    body = csr
    if not callable(csr):
        from base64_stream import encode_lines

        body = encode_lines(csr)
        del encode_lines  # a name is enough to hold its module in the heap
    found = await client._certificates("POST", operation, "application/pkcs10", body)
    body = None
    if close:
        await client.close()
        client._received = client._text = None
    return found
