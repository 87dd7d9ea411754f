"""A certificate and its key as NAME.pem and NAME.key in a folder."""

from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from estctl.server import folder
from estctl.server.settings import SettingsError
from estctl.server.signing import Pair, PrivateKey


def load(where: Path, name: str) -> Pair | None:
    """Return a stored pair, or None. Raises SettingsError where it is not whole."""
    path, key_path = where / f"{name}.pem", where / f"{name}.key"
    if not path.exists():
        return None  # the certificate is written last: without it nothing was finished
    if not key_path.exists():
        raise SettingsError(f"{key_path} is missing: restore it, or give another --dir")
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), None)
        public = certificate.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(f"{path} or {key_path} is damaged, or not ours") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        raise SettingsError(f"{key_path} is neither an EC nor an RSA key")
    if key.public_key() != public:
        raise SettingsError(f"{key_path} is not the key of {path}")
    return Pair(certificate, key)


def save(where: Path, name: str, pair: Pair) -> Pair:
    """Store a pair, and return it."""
    write_key(where / f"{name}.key", pair.key)
    write_certificates(where / f"{name}.pem", pair.certificate)
    return pair


def write_key(path: Path, key: PrivateKey) -> None:
    """Write a private key for its owner alone."""
    encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    folder.write(path, encoded, private=True)


def write_certificates(path: Path, *certificates: x509.Certificate) -> None:
    """Write certificates as PEM, one after the other."""
    folder.write(path, b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
