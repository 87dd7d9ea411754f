"""The operation /serverkeygen of est.Client (RFC 7030 4.4): a key that the server makes.

A key that was made elsewhere was known elsewhere, and it is only as safe as the connection: a
device makes its own where it can (section 6). Asked to (pki.key_protection), the server encrypts
it; what opens it then is `decrypt`: (identifier, AES key), both bytes, or a P-256 key object.
"""

from est_errors import EstError, KeyFault, LimitError, ProtocolError, at
from heap import forget, let_go
from micropython import const

_WARNING = const(30)  # of logging
_ENVELOPED_DATA = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"
_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")


async def fetch(client, csr, decrypt, close):
    """Return (PKCS #8 DER, certificate DER): see Client.serverkeygen.

    The key is whole, it is the certificate's, and the certificate chains to the CA. Raises
    KeyFault where the key cannot be decrypted with what is there, ProtocolError where it is of a
    kind that cannot be checked, and all that simpleenroll raises.
    """
    if not client.ca_certificates:
        await client.cacerts()  # 4.2: current CA certificates before enrolling
    if not callable(csr):  # else an est_link.Linked
        from base64_stream import encode_lines

        csr = encode_lines(csr)
    # Never over a provisional connection: _operation() sees to that (4.4, first paragraph).
    key, encrypted, message = await client._operation(
        "POST", "serverkeygen", "application/pkcs10", csr, (), _parts
    )
    if client.authorised and client.authorised[0] == "implicit":
        client._log(
            _WARNING,
            "not recommended: an implicit anchor vouched for who made the key (RFC 7030 6)",
        )
    if close:
        await client.close()
        client._received = client._text = None
    forget("multipart_stream")

    try:
        found = _certificates(message, client._limits)
        message = None
        key, public = await _opened(key, encrypted, decrypt)
        # The path of the certificate is checked next, which needs much of a small heap.
        await let_go("pki.")
        import est_issued

        return key, await est_issued.to_key(client, found, public)
    except EstError as error:
        raise at("serverkeygen", error)


async def _opened(key, encrypted, decrypt):
    """Return (PKCS #8 DER, SubjectPublicKeyInfo DER) of what the server sent as the key."""
    if encrypted and decrypt is None:
        raise KeyFault("the server encrypted the key, and nothing was given to decrypt it with")
    if decrypt is not None and not encrypted:
        raise ProtocolError("the server sent the key unencrypted, which was not asked for")
    if encrypted:
        from pki import enveloped

        key = await enveloped.private_key(key, decrypt)
        del enveloped
        await let_go("pki.")
    from pki import private_key

    try:
        return await private_key.read(key)
    except KeyFault as error:
        raise ProtocolError("the server's key cannot be used: " + error.message)


def _certificates(message, limits):
    from pki import cms

    return cms.certificates(message, limits.MAX_CERTIFICATES)


async def _parts(response, limits, text):
    """Read the answer (4.4.2); return (key, whether it is encrypted, certs-only message).

    text: memoryview of the buffer for both the parts and their base64.
    """
    import est_response
    from multipart_stream import MultipartReader, boundary_of

    half = len(text) // 2
    boundary = boundary_of(response.headers.get("content-type", ""))
    part = MultipartReader(response, boundary, text[:half])
    key = message = None
    encrypted = False
    while await part.next_part():
        kind = part.content_type
        if kind != "application/pkcs8" and kind not in _PKCS7:
            raise ProtocolError("the server sent a part that is neither key nor certificate")
        octets = await est_response.body(part, limits, text[half:])
        # Servers leave smime-type out, or use it freely: the content says what it is.
        enveloped = _ENVELOPED_DATA in bytes(octets[:20])
        if enveloped or kind not in _PKCS7:
            if key is not None:
                raise ProtocolError("the server sent more than one private key")
            key, encrypted = octets, enveloped
        elif message is not None:
            raise ProtocolError("the server sent more than one certificate message")
        else:
            message = octets
        if len(key or b"") + len(message or b"") > limits.MAX_BODY:
            raise LimitError("the response is larger than %d bytes" % limits.MAX_BODY)
    if not key or not message:
        raise ProtocolError("the server sent no %s" % ("certificate" if key else "private key"))
    return key, encrypted, message
