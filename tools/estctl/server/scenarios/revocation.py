"""CRLs of the chain above TLS (RFC 5280 5), at plain HTTP; enrolment is in order.

The TLS certificate and the CA that issues it are made anew at each start and say where their CRL
is: /issuing.crl of that CA, and /root.crl of the true root.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from estctl.server import signing
from estctl.server.certificates import in_days
from estctl.server.plain_http import PlainHttp
from estctl.server.scenarios import making
from estctl.server.scenarios.scene import Play, Scenario, Scene
from estctl.server.signing import Pair

_ISSUING, _ROOT = "/issuing.crl", "/root.crl"
_MANY = 40000  # entries of 52 bytes: 2 MB
_TRICKLE = 0.05  # seconds between two bytes
_FIRST_OF_MANY = 1 << 150  # a serial number as long as those of real CAs

Answer = Callable[[PlainHttp, str, bytes], Handler]  # of the path at which a CRL lies, and its DER


def _whole(plain: PlainHttp, path: str, der: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(body=der, content_type="application/pkix-crl")

    return handler


def _missing(plain: PlainHttp, path: str, der: bytes) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="no CRL here\n")

    return handler


def _moved(plain: PlainHttp, path: str, der: bytes) -> Handler:
    location = plain.add(f"/moved{path}", _whole(plain, path, der))

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": location})

    return handler


def _endless(plain: PlainHttp, path: str, der: bytes) -> Handler:
    """Send a large CRL so slowly that it takes a day."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/pkix-crl"})
        with contextlib.suppress(ConnectionError):  # the client has had enough
            await response.prepare(request)
            for byte in der:
                await response.write(bytes([byte]))
                await asyncio.sleep(_TRICKLE)
        return response

    return handler


def _play(
    scene: Scene,
    *,
    leaf_revoked: bool = False,
    issuing_revoked: bool = False,
    others: int = 0,
    days: float = 7,
    forged: bool = False,
    answer: Answer = _whole,
) -> Play:
    """Return a play of one stage.

    others: how many certificates beside the chain's are on the issuing CA's CRL. days: from now
    to the CRLs' end. forged: other keys than the CAs' sign them.
    """
    plain, root = PlainHttp(scene.settings), scene.authority.root
    issuing = making.ca("TLS CA", root, more=[_pointer(plain.url + _ROOT)], path_length=0)
    leaf = making.tls(issuing, scene.names, more=[_pointer(plain.url + _ISSUING)])
    by_issuing = list(range(_FIRST_OF_MANY, _FIRST_OF_MANY + others))
    if leaf_revoked:
        by_issuing.insert(others // 2, leaf.certificate.serial_number)
    by_root = [issuing.certificate.serial_number] if issuing_revoked else []
    for path, issuer, serials in ((_ISSUING, issuing, by_issuing), (_ROOT, root, by_root)):
        signer = Pair(issuer.certificate, making.key_like(issuer.key)) if forged else issuer
        plain.add(path, answer(plain, path, _crl(signer, serials, days)))
    stage = dataclasses.replace(scene.usual, tls=scene.tls(leaf, issuing))
    return Play((stage,), plain=plain)


def _pointer(url: str) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url)]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def _crl(issuer: Pair, serials: Sequence[int], days: float) -> bytes:
    """Return the DER of a CRL that ends in so many days (RFC 5280 5.2: with key id and number)."""
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key)
    # All entries at once: the builder's own method copies its list for each.
    builder = x509.CertificateRevocationListBuilder(
        issuer.certificate.subject,
        in_days(days - 10),
        in_days(days),
        revoked_certificates=[_revoked(serial) for serial in serials],
    )
    builder = builder.add_extension(key_id, critical=False)
    builder = builder.add_extension(x509.CRLNumber(1), critical=False)
    return builder.sign(issuer.key, signing.digest(issuer.key)).public_bytes(Encoding.DER)


def _revoked(serial: int) -> x509.RevokedCertificate:
    reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
    builder = x509.RevokedCertificateBuilder(serial, in_days(-1))
    return builder.add_extension(reason, critical=False).build()


SCENARIOS = (
    Scenario("crl-good", "CRLs for TLS at plain HTTP, on which nothing is", _play),
    Scenario(
        "crl-revoked", "the TLS certificate is on its CRL", partial(_play, leaf_revoked=True)
    ),
    Scenario(
        "crl-revoked-issuing",
        "the CA that issued the TLS certificate is on the root's CRL",
        partial(_play, issuing_revoked=True),
    ),
    Scenario("crl-missing", "404 where the CRLs should be", partial(_play, answer=_missing)),
    Scenario("crl-expired", "CRLs whose nextUpdate has passed", partial(_play, days=-1)),
    Scenario("crl-forged", "CRLs signed by other keys", partial(_play, forged=True)),
    Scenario("crl-redirect", "302 to good CRLs", partial(_play, answer=_moved)),
    Scenario("crl-large", "a CRL of 2 MB, TLS not on it", partial(_play, others=_MANY)),
    Scenario(
        "crl-large-revoked",
        "a CRL of 2 MB, the TLS certificate in its middle",
        partial(_play, others=_MANY, leaf_revoked=True),
    ),
    Scenario(
        "crl-endless",
        "CRLs that arrive by 20 bytes a second and do not end",
        partial(_play, others=_MANY, answer=_endless),
    ),
)
