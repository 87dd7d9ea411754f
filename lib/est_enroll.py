"""The operations /simpleenroll and /simplereenroll of est.Client (RFC 7030 4.2), and the check of
what any operation got issued."""

from est_errors import EstError, ProtocolError, at
from micropython import const

_SKEW = const(3600)  # seconds that a device's clock may run behind the CA's


async def fetch(client, operation, csr, close):
    """Send a request, return the issued certificate (DER bytes): see Client.simpleenroll."""
    if not client.ca_certificates:
        await client.cacerts()  # RFC 7030 4.2: current CA certificates before enrolling
    linked = body = csr
    if not callable(csr):
        from base64_stream import encode_lines

        body = encode_lines(csr)
        linked = None
        del encode_lines  # a name is enough to hold its module in the heap
    found = await client._certificates("POST", operation, "application/pkcs10", body)
    body = None
    if close:
        await client.close()
        client._received = client._text = None
    from pki.x509 import request_public_key

    try:
        return await issued(client, found, request_public_key(linked.der if linked else csr))
    except EstError as error:
        raise at(operation, error)


async def issued(client, found, wanted):
    """Check the certificates of a response (list of DER); return the one for a
    SubjectPublicKeyInfo (DER), and keep what stands above it as client.chain.

    Raises ProtocolError where there is none, TrustError where it does not chain to the CA.
    """
    from pki import path, x509

    leaf = None
    pool = []
    for raw in found:
        certificate = x509.Certificate(raw)
        if leaf is None and certificate.public_key == wanted:
            leaf = certificate
        else:
            pool.append(certificate)
    if leaf is None:
        raise ProtocolError("the server issued a certificate for another key")
    if leaf.basic_constraints[0]:
        raise ProtocolError("the server issued a CA certificate to this device")
    for raw in client.authorities:
        pool.append(x509.Certificate(raw))
    anchors = [x509.Certificate(raw) for raw in client.anchors]
    when = time_for(client, leaf)
    above = await path.check(leaf, pool, anchors, when, limits=client._limits)
    client.chain = [bytes(certificate.raw) for certificate in above[:-1]]
    return leaf.raw


def time_for(client, certificate):
    """Return the time of validation (Unix seconds): ours, or the CA's where ours runs a little
    behind."""
    now = client._now()
    start = certificate.not_before
    return start if now < start <= now + _SKEW else now
