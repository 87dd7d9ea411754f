"""/fullcmc (RFC 7030 4.3): Full PKI Requests in, signed Full PKI Responses out (RFC 5272).

`cryptography` has the primitives and none of these messages; pki.der reads and writes them.
"""

import hashlib
import os
from dataclasses import dataclass

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from est_errors import DerError
from pki import der, der_writer, oid_text

from estctl.server import enveloped
from estctl.server.key_generation import key_identifiers
from estctl.server.messages import Refusal, base64_answer, decoded
from estctl.server.signing import Pair

_CMC, _CONTENT = "1.3.6.1.5.5.7.7.", "1.3.6.1.5.5.7.12."
_STATUS_INFO, _TRANSACTION_ID, _SENDER_NONCE, _RECIPIENT_NONCE = (
    _CMC + each for each in ("25", "5", "6", "7")
)
_PKI_DATA, _PKI_RESPONSE = _CONTENT + "2", _CONTENT + "3"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
_SHA256 = "2.16.840.1.101.3.4.2.1"
BAD_MESSAGE_CHECK, BAD_REQUEST, POP_FAILED = 1, 2, 9  # CMCFailInfo (RFC 5272 6.1.4)
_SUCCESS, _FAILED = 0, 2  # CMCStatus (6.1.3)
_TYPE = "application/pkcs7-mime; smime-type=CMC-response"


class Failure(Exception):
    """A request that gets an answer with a failInfo; the text says why, in one line."""

    def __init__(self, fail_info: int, reason: str) -> None:
        super().__init__(reason)
        self.fail_info = fail_info


@dataclass
class Exchange:
    """What a request says before it is checked: as much of it as could be read."""

    transaction: bytes = b""  # DER of the values
    nonce: bytes = b""
    body_part: int = 0  # of the request, for the status
    content: bytes = b""
    certificates: tuple[x509.Certificate, ...] = ()
    signer: bytes = b""  # SignerInfo


async def octets(request: web.Request) -> bytes:
    """Return the octets of a POST to /fullcmc. Raises Refusal where it is something else."""
    if request.content_type != "application/pkcs7-mime":
        raise Refusal(415, "the Content-Type must be application/pkcs7-mime")
    return decoded(await request.read())


def read(message: bytes, exchange: Exchange) -> x509.CertificateSigningRequest:
    """Read a Full PKI Request into `exchange`; return its one PKCS #10 request. Raises Failure."""
    try:
        _open(message, exchange)
        return _read_data(exchange)
    except (DerError, ValueError, x509.InvalidVersion, IndexError) as error:
        reason = str(error) if isinstance(error, DerError) else "the PKCS #10 request is broken"
        raise Failure(BAD_REQUEST, f"no Full PKI Request: {reason}") from None


def check(exchange: Exchange, csr: x509.CertificateSigningRequest) -> x509.Certificate | None:
    """Check who signed; return the certificate that did, None for the request's own key.

    Raises Failure.
    """
    try:
        return _check(exchange, csr)
    except (DerError, ValueError) as error:
        raise Failure(BAD_REQUEST, f"the SignerInfo cannot be read: {error}") from None
    except (InvalidSignature, UnsupportedAlgorithm):
        raise Failure(BAD_MESSAGE_CHECK, "the signature of the message is wrong") from None


def issued(exchange: Exchange, certificate: x509.Certificate, signer: Pair) -> web.Response:
    """Return the answer with the certificate."""
    content = _response(exchange, _SUCCESS, "", b"")
    return base64_answer(_signed(content, [certificate], signer), _TYPE)


def refused(exchange: Exchange, failure: Failure, signer: Pair) -> web.Response:
    """Return the answer that says why there is none: a 400 with a PKI Response (4.3.2)."""
    content = _response(exchange, _FAILED, str(failure), der_writer.integer(failure.fail_info))
    answer = base64_answer(_signed(content, [], signer), _TYPE)
    answer.set_status(400)
    return answer


def _open(message: bytes, exchange: Exchange) -> None:
    content_info = der.sequence(message)
    if oid_text.dotted(content_info.oid()) != _SIGNED_DATA:
        raise DerError("it is not SignedData")
    signed = content_info.enter(der.CONSTRUCTED_CONTEXT).enter()
    content_info.finish()
    signed.integer()
    signed.element(der.SET)
    inner = signed.enter()
    if oid_text.dotted(inner.oid()) != _PKI_DATA:
        raise DerError("its content is not PKIData")
    exchange.content = bytes(inner.enter(der.CONSTRUCTED_CONTEXT).take(der.OCTET_STRING))
    if signed.peek() == der.CONSTRUCTED_CONTEXT:
        bag = signed.enter(der.CONSTRUCTED_CONTEXT)
        found = []
        while bag.more():
            found.append(x509.load_der_x509_certificate(bytes(bag.element(der.SEQUENCE))))
        exchange.certificates = tuple(found)
    signers = signed.enter(der.SET)
    exchange.signer = bytes(signers.element(der.SEQUENCE))
    signers.finish()
    signed.finish()


def _read_data(exchange: Exchange) -> x509.CertificateSigningRequest:
    data = der.sequence(exchange.content)
    controls = data.enter()
    while controls.more():
        control = controls.enter()
        control.integer()
        kind = oid_text.dotted(control.oid())
        value = bytes(control.enter(der.SET).element())
        if kind == _TRANSACTION_ID:
            exchange.transaction = value
        elif kind == _SENDER_NONCE:
            exchange.nonce = value
    requests = data.enter()
    tagged = requests.enter(der.CONSTRUCTED_CONTEXT)  # tcr; others are not known here
    exchange.body_part = tagged.integer()
    csr = x509.load_der_x509_csr(bytes(tagged.element(der.SEQUENCE)))
    tagged.finish()
    requests.finish()
    return csr


def _check(exchange: Exchange, csr: x509.CertificateSigningRequest) -> x509.Certificate | None:
    signer = der.sequence(exchange.signer)
    signer.integer()
    named = bytes(signer.element())
    if oid_text.dotted(signer.enter().oid()) != _SHA256:
        raise Failure(BAD_REQUEST, "only SHA-256 is taken")
    attributes = bytes(signer.element(der.CONSTRUCTED_CONTEXT))
    signer.element(der.SEQUENCE)
    signature = bytes(signer.take(der.OCTET_STRING))
    digest = hashlib.sha256(exchange.content).digest()
    if _attributes(digest, _PKI_DATA)[1:] != attributes[1:]:
        raise Failure(BAD_MESSAGE_CHECK, "the signed attributes are not the message's")
    certificate = None
    public: object = csr.public_key()
    if named[0] == 0x80:
        if not isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            raise Failure(BAD_REQUEST, "neither an EC nor an RSA key signed")
        if bytes(der.Reader(named).take(0x80)) not in _identifiers(csr):
            raise Failure(BAD_MESSAGE_CHECK, "the signer's key identifier is not the request's")
    else:
        reader = der.sequence(named)
        issuer, serial = bytes(reader.element()), reader.integer()
        found = [
            each
            for each in exchange.certificates
            if each.serial_number == serial and each.issuer.public_bytes() == issuer
        ]
        if not found:
            raise Failure(BAD_MESSAGE_CHECK, "the signer's certificate is not there")
        certificate = found[0]
        public = certificate.public_key()
    _verify(public, signature, b"\x31" + attributes[1:])
    if not csr.is_signature_valid:
        raise Failure(POP_FAILED, "the request's signature is wrong: no proof of possession")
    return certificate


def _verify(public: object, signature: bytes, message: bytes) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    elif isinstance(public, rsa.RSAPublicKey):
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise Failure(BAD_REQUEST, "neither an EC nor an RSA key signed")


def _identifiers(csr: x509.CertificateSigningRequest) -> tuple[bytes, ...]:
    """Return by what a request's own key may be named."""
    named = []
    try:
        kind = x509.SubjectKeyIdentifier
        named.append(csr.extensions.get_extension_for_class(kind).value.digest)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        pass
    public = csr.public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        named += key_identifiers(public)
    elif isinstance(public, rsa.RSAPublicKey):
        named.append(x509.SubjectKeyIdentifier.from_public_key(public).digest)
    return tuple(named)


def _response(exchange: Exchange, status: int, text: str, fail_info: bytes) -> bytes:
    """Return a PKIResponse."""
    said = der_writer.tlv(0x0C, text.encode()) if text else b""
    bodies = _sequence(der_writer.integer(exchange.body_part))
    info = _sequence(der_writer.integer(status), bodies, said, fail_info)
    controls = [(_STATUS_INFO, info)]
    if exchange.transaction:
        controls.append((_TRANSACTION_ID, exchange.transaction))
    if exchange.nonce:
        controls.append((_RECIPIENT_NONCE, exchange.nonce))
    controls.append((_SENDER_NONCE, der_writer.tlv(der.OCTET_STRING, os.urandom(16))))
    tagged = [
        _sequence(der_writer.integer(number), _oid(kind), der_writer.tlv(der.SET, value))
        for number, (kind, value) in enumerate(controls, 1)
    ]
    return _sequence(_sequence(*tagged), _sequence(), _sequence())


def _signed(content: bytes, certificates: list[x509.Certificate], signer: Pair) -> bytes:
    """Return SignedData around a PKIResponse, with the signer's certificate in its bag."""
    digest = hashlib.sha256(content).digest()
    attributes = _attributes(digest, _PKI_RESPONSE)
    kind, signature = enveloped.signed(signer.key, attributes)
    own = signer.certificate
    info = _sequence(
        der_writer.integer(1),
        _sequence(own.issuer.public_bytes(), der_writer.integer(own.serial_number)),
        _sequence(_oid(_SHA256)),
        b"\xa0" + attributes[1:],
        kind,
        der_writer.tlv(der.OCTET_STRING, signature),
    )
    bag = sorted(each.public_bytes(Encoding.DER) for each in [*certificates, own])
    wrapped = der_writer.tlv(der.CONSTRUCTED_CONTEXT, der_writer.tlv(der.OCTET_STRING, content))
    inner = _sequence(
        der_writer.integer(3),
        der_writer.tlv(der.SET, _sequence(_oid(_SHA256))),
        _sequence(_oid(_PKI_RESPONSE), wrapped),
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, *bag),
        der_writer.tlv(der.SET, info),
    )
    return _sequence(_oid(_SIGNED_DATA), der_writer.tlv(der.CONSTRUCTED_CONTEXT, inner))


def _attributes(digest: bytes, kind: str) -> bytes:
    """Return the signed attributes as they are signed: a SET OF."""
    return bytes(
        der_writer.set_of(
            [
                _sequence(_oid(_CONTENT_TYPE), der_writer.tlv(der.SET, _oid(kind))),
                _sequence(
                    _oid(_MESSAGE_DIGEST),
                    der_writer.tlv(der.SET, der_writer.tlv(der.OCTET_STRING, digest)),
                ),
            ]
        )
    )


def _sequence(*parts: bytes) -> bytes:
    return bytes(der_writer.tlv(der.SEQUENCE, *parts))


def _oid(dotted: str) -> bytes:
    return bytes(der_writer.oid(oid_text.encode(dotted)))
