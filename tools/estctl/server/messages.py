"""What goes over HTTP: requests in, certificates and refusals out (RFC 7030 4.2, RFC 8951 3)."""

import base64
import binascii
from collections.abc import Mapping

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

LARGEST_BODY = 65536


class Refusal(Exception):
    """An answer that is an error: its status and one line of text (RFC 7030 4.2.3)."""

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}


async def request_of(request: web.Request) -> x509.CertificateSigningRequest:
    """Return the PKCS #10 request of a POST: base64 of DER, with or without line breaks.

    Raises Refusal where the body is something else.
    """
    if request.content_type != "application/pkcs10":
        raise Refusal(415, "the Content-Type must be application/pkcs10")
    try:
        return x509.load_der_x509_csr(decoded(await request.read()))
    except (ValueError, x509.InvalidVersion):
        raise Refusal(400, "the body is no PKCS #10 request in DER") from None


def certs_only(certificates: list[x509.Certificate], content_type: str) -> web.Response:
    """Return an answer of certificates as certs-only CMS (RFC 5272 4.1)."""
    return base64_answer(pkcs7.serialize_certificates(certificates, Encoding.DER), content_type)


def base64_answer(der: bytes, content_type: str) -> web.Response:
    """Return an answer in base64, wrapped; clients ignore the transfer encoding's name."""
    headers = {"Content-Type": content_type, "Content-Transfer-Encoding": "base64"}
    return web.Response(body=base64.encodebytes(der), headers=headers)


def refusal_answer(refusal: Refusal) -> web.Response:
    """Return a refusal as text/plain."""
    return web.Response(status=refusal.status, text=f"{refusal}\n", headers=refusal.headers)


def decoded(body: bytes) -> bytes:
    """Return the DER of a base64 body; a wrong one is told from the usual mistakes."""
    if not body.strip():
        raise Refusal(400, "the body is empty: send a PKCS #10 request")
    if b"-----BEGIN" in body:
        raise Refusal(400, "the body is PEM: send the base64 without armour (RFC 8951)")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        if body[:1] == b"\x30":
            raise Refusal(400, "the body is bare DER: send it in base64 (RFC 8951)") from None
        raise Refusal(400, "the body is not base64 (RFC 8951)") from None
