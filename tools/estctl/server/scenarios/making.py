"""Certificates of scenarios: right but for the one thing that the caller changes."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ObjectIdentifier

from estctl.server import certificates
from estctl.server.certificates import TLS_USAGES, Validity, named
from estctl.server.signing import Pair, PrivateKey, Scheme, sign


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a key on P-256: quick to make, and every client can use it."""
    return ec.generate_private_key(ec.SECP256R1())


def key_like(key: PrivateKey) -> PrivateKey:
    """Return another key of the same kind."""
    return certificates.new_key(certificates.kind_of(key))


def root(name: str | x509.Name, key: PrivateKey | None = None) -> Pair:
    """Return a self-signed CA."""
    return certificates.self_signed(_name(name), key or new_key())


def ca(
    name: str | x509.Name,
    issuer: Pair,
    *critical: x509.ExtensionType,
    more: Sequence[x509.ExtensionType] = (),
    key: PrivateKey | None = None,
    path_length: int | None = None,
    validity: Validity | None = None,
    scheme: Scheme = Scheme.USUAL,
) -> Pair:
    """Return a CA below another, with critical extensions and more that are not.

    scheme: how it signs, not how it is signed.
    """
    key = key or new_key()
    builder = certificates.subordinate(
        _name(name), key.public_key(), issuer, path_length, validity
    )
    for extension in critical:
        builder = builder.add_extension(extension, critical=True)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return Pair(sign(builder, issuer), key, scheme)


def tls(
    issuer: Pair,
    names: Sequence[str],
    common_name: str = "server",
    *,
    usages: Sequence[ObjectIdentifier] = TLS_USAGES,
    more: Sequence[x509.ExtensionType] = (),
    key: PrivateKey | None = None,
    validity: Validity | None = None,
) -> Pair:
    """Return a TLS server's certificate; without names it has no subjectAltName."""
    key = key or new_key()
    name = named(common_name)
    builder = certificates.tls_server(name, key.public_key(), names, issuer, usages, validity)
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return Pair(sign(builder, issuer), key)


def self_signed_tls(names: Sequence[str]) -> Pair:
    """Return a TLS server's certificate that no CA issued."""
    key, name = new_key(), named("server")
    issuer = certificates.self_signed(name, key)
    return Pair(sign(certificates.tls_server(name, key.public_key(), names, issuer), issuer), key)


def _name(name: str | x509.Name) -> x509.Name:
    return named(name) if isinstance(name, str) else name
