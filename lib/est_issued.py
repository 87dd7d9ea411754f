"""What an EST server issued is checked before anybody gets it (RFC 7030 4.2.3)."""

import asyncio

from est_errors import ProtocolError
from heap import let_go
from micropython import const
from pki import path, x509

_SKEW = const(3600)  # seconds that a device's clock may run behind the CA's


async def to(client, found, csr):
    """Return the certificate (DER bytes) that was issued to a request; see to_key().

    csr: PKCS #10 DER, or an est_link.Linked.
    """
    request = csr.der if callable(csr) else csr
    return await to_key(client, found, x509.request_public_key(request))


async def to_key(client, found, wanted):
    """Check the certificates of a response (list of DER); return the one for a
    SubjectPublicKeyInfo (DER), and keep what stands above it as client.chain.

    Raises ProtocolError where there is none, TrustError where it does not chain to the CA.
    """
    leaf = None
    pool = []
    for raw in found:
        certificate = x509.Certificate(raw)
        if leaf is None and certificate.public_key == wanted:
            leaf = certificate
        else:
            pool.append(certificate)
        await asyncio.sleep(0)
    if leaf is None:
        raise ProtocolError("the server issued a certificate for another key")
    if leaf.basic_constraints[0]:
        raise ProtocolError("the server issued a CA certificate to this device")
    for raw in client.authorities:
        pool.append(x509.Certificate(raw))
    anchors = [x509.Certificate(raw) for raw in client.anchors]
    when = time_for(client, leaf)
    await let_go()  # of what has brought it
    above = await path.check(leaf, pool, anchors, when, limits=client._limits)
    client.chain = [bytes(certificate.raw) for certificate in above[:-1]]
    return leaf.raw


def time_for(client, certificate):
    """Return the time of validation (Unix seconds): ours, or the CA's where ours runs a little
    behind."""
    now = client._now()
    start = certificate.not_before
    return start if now < start <= now + _SKEW else now
