"""Whether a request is linked to the TLS session that carries it (RFC 7030 3.5)."""

import base64
import hmac

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import AttributeOID

from estctl.server.messages import Refusal


def check(request: web.Request, csr: x509.CertificateSigningRequest) -> None:
    """Raise Refusal unless challengePassword is the connection's tls-unique in base64."""
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    if tls is None or tls.version() != "TLSv1.2":
        raise Refusal(400, "the request must be linked to TLS (RFC 7030 3.5): come with TLS 1.2")
    expected = base64.b64encode(tls.get_channel_binding("tls-unique"))
    try:
        found = csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value
    except (x509.AttributeNotFound, ValueError):
        raise Refusal(400, "challengePassword is missing: link the request to TLS") from None
    if not hmac.compare_digest(found, expected):
        raise Refusal(400, "challengePassword is not this TLS session's tls-unique in base64")
