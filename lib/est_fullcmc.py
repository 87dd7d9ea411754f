"""The operation /fullcmc of est.Client (RFC 7030 4.3): Full CMC (RFC 5272 to 5274, RFC 6402).

The request is a PKCS #10 request in a signed Full PKI Request; the answer is signed, too. It is
never sent over a provisional connection, which 4.1.1 would allow.
"""

import sys

from est_errors import EstError, ServerError, TrustError, at
from heap import forget, let_go

_TYPE = "application/pkcs7-mime; smime-type=CMC-request"


async def fetch(client, csr, key, certificate, close):
    """Return the issued certificate (DER): see Client.fullcmc."""
    if not client.ca_certificates:
        await client.cacerts()  # as 4.2: current CA certificates before enrolling
    from pki import der, der_writer, entropy

    transaction = der_writer.integer(entropy.octets(16))
    nonce = der_writer.tlv(der.OCTET_STRING, entropy.octets(16))
    if callable(csr):  # an est_link.Linked, made for each connection anew

        async def made():
            await csr()
            return await _made(csr.der, key, transaction, nonce, certificate)

    else:
        made = await _made(csr, key, transaction, nonce, certificate)
    try:
        message = await client._operation("POST", "fullcmc", _TYPE, made)
    except ServerError as error:
        if error.status in (404, 501):  # 4.3.2
            raise ServerError(
                "the server does not implement Full CMC (%d)" % error.status,
                error.status,
                error.reason,
                "fullcmc",
            )
        raise
    made = None
    if close:
        await client.close()
        client._received = client._text = None
    try:
        content, found, signer = _opened(message, client._limits)
        message = None
        if content is not None:  # else certs-only, which its transport vouches for (4.3.2)
            await _check(client, content, found, signer, transaction, nonce)
        import est_issued

        # The old certificate, which may be there, too, could have the same key.
        found = [raw for raw in found if raw != certificate]
        from pki.x509 import request_public_key

        public = request_public_key(csr.der if callable(csr) else csr)
        return await est_issued.to_key(client, found, public)
    except EstError as error:
        raise at("fullcmc", error)


async def _made(csr, key, transaction, nonce, certificate):
    from pki import cmc

    try:
        made = await cmc.request(key, csr, transaction, nonce, certificate)
    except EstError as error:
        raise at("fullcmc", error)
    finally:
        engine = sys.modules.get("pki.p256")
        if engine:
            engine.forget()  # a software key's: the connection needs its room now
        cmc = engine = None
        forget("pki.")
    from base64_stream import encode_lines

    return encode_lines(made)


def _opened(message, limits):
    from pki import cmc_response

    try:
        return cmc_response.opened(message, limits)
    finally:
        forget("pki.cmc_response")


def _time_for(client, certificate):
    import est_issued

    try:
        return est_issued.time_for(client, certificate)
    finally:
        del est_issued
        forget("est_issued")


async def _check(client, content, found, signer, transaction, nonce):
    """Check the signature and the status of a PKIResponse, as opened() returned it."""
    # The path's, too, before a fast engine of P-256 takes what room is left.
    from pki import cmc_signer, path, x509

    authorities = [x509.Certificate(raw) for raw in client.authorities]
    anchors = [x509.Certificate(raw) for raw in client.anchors]
    others = [x509.Certificate(raw) for raw in found]
    certificate, authorised = await cmc_signer.verify(
        content, signer, others, authorities + anchors, client._limits
    )
    del cmc_signer, x509
    await let_go("pki.cmc_signer")
    when = _time_for(client, certificate)
    if any(certificate.raw == anchor.raw for anchor in anchors):
        path.check_leaf(certificate, when, None, client._limits)
    else:
        await path.check(certificate, others + authorities, anchors, when, limits=client._limits)
    if not authorised:
        raise TrustError(
            "the PKI Response is signed by neither the CA nor a registration authority"
        )
    del path
    await let_go("est_issued", "pki.")
    from pki import cmc_status

    cmc_status.check(content, transaction, nonce, client._now(), client._limits)
    forget("pki.cmc_status")


async def reason(response, limits):
    """Return what the PKI Response of an error status says (4.3.2), in words, or "".

    Nothing is verified but the connection, as with a text. It is "" also where the heap is too
    small for it, as the refusal matters more.
    """
    from est_errors import ProtocolError
    from est_response import body
    from pki import cmc_response, cmc_status

    try:
        message = await body(response, limits, memoryview(bytearray(256)))
        content = cmc_response.opened(message, limits)[0]
        return cmc_status.words(content, limits) if content else ""
    except (ProtocolError, MemoryError):
        return ""
