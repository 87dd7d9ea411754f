"""/serverkeygen (RFC 7030 4.4): the key that is made, how it is to be encrypted, the answer."""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
)
from est_errors import DerError
from pki import der, oid_text

from estctl import files
from estctl.server import enveloped, request_policy
from estctl.server.messages import Refusal
from estctl.server.request_policy import RequestRefused
from estctl.server.settings import SettingsError
from estctl.server.signing import Pair, PrivateKey

_BOUNDARY = "7030-4-4-2"  # digits: a profile may write what is behind the type in capitals
_CERTIFICATES = "application/pkcs7-mime; smime-type=certs-only"
_PLAIN = "application/pkcs8"
_ENCRYPTED = "application/pkcs7-mime; smime-type=server-generated-key"
_DECRYPT_KEY_ID = "1.2.840.113549.1.9.16.2.37"  # RFC 4108 2.2.5
_ASYMM_DECRYPT_KEY_ID = "1.2.840.113549.1.9.16.2.54"  # RFC 7030 4.4.1.2
_CAPABILITIES = "1.2.840.113549.1.9.15"  # RFC 8551 2.5.2
_RSA_BITS = 2048, 4096

Protect = Callable[[bytes, Pair], bytes]  # PKCS #8 and signer to CMS


def read_key(path: Path | None) -> bytes | None:
    """Return the AES key in a file, hex or raw, for --key-encryption-key. Raises SettingsError."""
    if path is None:
        return None
    try:
        return files.aes_key(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"--key-encryption-key: {path}: {error.strerror}") from None
    except ValueError:
        raise SettingsError(
            f"--key-encryption-key: {path} holds no AES key of 16 or 32 octets, raw or in hex"
        ) from None


async def new_key(request: x509.CertificateSigningRequest) -> PrivateKey:
    """Return a new key of the kind of the request's own, which is otherwise not used (4.4.1)."""
    public = request.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        bits = min(max(public.key_size, _RSA_BITS[0]), _RSA_BITS[1])
        return await asyncio.to_thread(rsa.generate_private_key, 65537, bits)  # takes seconds
    return ec.generate_private_key(ec.SECP256R1())


def protection(request: x509.CertificateSigningRequest, key: bytes | None) -> Protect | None:
    """Return what encrypts the private key, or None where the request does not ask for it.

    key: the AES key that the server shares with its clients, by whatever identifier. Raises
    Refusal where what the request asks for cannot be done (4.4.1).
    """
    try:
        request_policy.examine(request)  # before a key is made for it
    except RequestRefused as error:
        raise Refusal(400, str(error)) from None
    wanted = _attributes(request)
    shared, own = wanted.get(_DECRYPT_KEY_ID), wanted.get(_ASYMM_DECRYPT_KEY_ID)
    if shared is None and own is None:
        return None
    able = _capabilities(wanted.get(_CAPABILITIES))
    size = next((size for size in (32, 16) if enveloped.CBC[size] in able), 0)
    if not size:
        raise Refusal(400, "smimeCapabilities lists neither AES-256 nor AES-128 in CBC (4.4.1)")
    if shared is not None:
        identifier = _octets(shared)
        if key is None:
            raise Refusal(400, "this server has no key by that DecryptKeyIdentifier")
        if enveloped.WRAP[len(key)] not in able:
            raise Refusal(400, "smimeCapabilities lists no AES key wrap of the shared key's size")
        return lambda made, signer: enveloped.for_shared_key(
            enveloped.signed_key(made, signer), size, identifier, key
        )
    assert own is not None
    identifier = _octets(own)
    public = request.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.key_size != 256:
        raise Refusal(400, "only a P-256 key is encrypted to, by ECDH")
    if identifier not in key_identifiers(public):
        raise Refusal(400, "the AsymmetricDecryptKeyIdentifier is not of the request's own key")
    wrap = next((size for size in (32, 16) if enveloped.WRAP[size] in able), 0)
    if enveloped.ECDH not in able or not wrap:
        raise Refusal(400, "smimeCapabilities lists no ECDH with SHA-256 and AES key wrap")
    return lambda made, signer: enveloped.for_public_key(
        enveloped.signed_key(made, signer), size, identifier, public, wrap
    )


def key_identifiers(key: ec.EllipticCurvePublicKey) -> tuple[bytes, bytes]:
    """Return the identifiers of a key by RFC 5280 4.2.1.2 and by RFC 7093 2."""
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return hashlib.sha1(point).digest(), hashlib.sha256(point).digest()[:20]


def answer(
    key: PrivateKey, protect: Protect | None, certificate: x509.Certificate, signer: Pair
) -> web.Response:
    """Return the key and its certificate as multipart/mixed (4.4.2)."""
    made = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sent = protect(made, signer) if protect else made
    bag = pkcs7.serialize_certificates([certificate], Encoding.DER)
    body = _part(_ENCRYPTED if protect else _PLAIN, sent) + _part(_CERTIFICATES, bag)
    kind = f"multipart/mixed; boundary={_BOUNDARY}"
    return web.Response(
        body=body + f"--{_BOUNDARY}--\r\n".encode(), headers={"Content-Type": kind}
    )


def _part(kind: str, content: bytes) -> bytes:
    lines = base64.encodebytes(content).decode().replace("\n", "\r\n")
    head = f"--{_BOUNDARY}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return (head + lines).encode()


def _attributes(request: x509.CertificateSigningRequest) -> dict[str, bytes]:
    """Return the first value of each attribute of a request, by its OID."""
    found = {}
    information = der.sequence(request.tbs_certrequest_bytes)
    for _ in ("version", "subject", "subjectPKInfo"):
        information.element()
    attributes = information.enter(der.CONSTRUCTED_CONTEXT)
    while attributes.more():
        attribute = attributes.enter()
        kind = oid_text.dotted(attribute.oid())
        values = attribute.enter(der.SET)
        if values.more():
            found[kind] = bytes(values.element())
    return found


def _capabilities(value: bytes | None) -> set[str]:
    """Return the OIDs of SMIMECapabilities, those of parameters included."""
    if value is None:
        raise Refusal(400, "a key that shall come encrypted needs smimeCapabilities (4.4.1)")
    found = set()
    try:
        capabilities = der.sequence(value)
        while capabilities.more():
            capability = capabilities.enter()
            found.add(oid_text.dotted(capability.oid()))
            if capability.peek() == der.SEQUENCE:
                found.add(oid_text.dotted(capability.enter().oid()))
    except DerError:
        raise Refusal(400, "the smimeCapabilities cannot be read") from None
    return found


def _octets(value: bytes) -> bytes:
    try:
        return bytes(der.Reader(value).take(der.OCTET_STRING))
    except DerError:
        raise Refusal(400, "the identifier of the decryption key is no OCTET STRING") from None
