"""Reads and writes the files of the commands: certificates, requests and keys, PEM or DER."""

import os
import ssl
import stat
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from est_errors import ConfigError, EstError
from pki import pem


def read(path: Path, what: str) -> bytes:
    """Return a file's bytes; `what` names it in the ConfigError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read ({error.strerror})") from None


def read_certificates(path: Path, what: str) -> list[bytes]:
    """Return the DER certificates of a PEM or DER file."""
    content = read(path, what)
    try:
        found = pem.certificates(content)
        for der in found:
            x509.load_der_x509_certificate(der)
    except (ValueError, UnsupportedAlgorithm, EstError) as error:
        raise ConfigError(f"{what}: {path} holds no usable certificate ({error})") from None
    return list(found)


def read_request(path: Path) -> bytes:
    """Return the DER of a PKCS #10 request in a PEM or DER file."""
    content = read(path, "--csr")
    load = x509.load_pem_x509_csr if b"-----BEGIN" in content else x509.load_der_x509_csr
    try:
        return load(content).public_bytes(Encoding.DER)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"--csr: {path} is no usable PKCS #10 request ({error})") from None


def read_key(path: Path, what: str = "--key") -> bytes:
    """Return the PKCS #8 DER of an unencrypted private key in a PEM or DER file."""
    content = read(path, what)
    load = load_pem_private_key if b"-----BEGIN" in content else load_der_private_key
    try:
        key = load(content, None)
    except (ValueError, TypeError):
        # The library's text could quote the file; ours does not.
        raise ConfigError(f"{what}: {path} is no unencrypted private key") from None
    except UnsupportedAlgorithm:
        raise ConfigError(f"{what}: {path} holds a key of a kind that is unknown here") from None
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def aes_key(content: bytes) -> bytes:
    """Return the AES key (16 or 32 octets) of a file's content, hex or raw. Raises ValueError."""
    try:
        found = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        found = content
    if len(found) not in (16, 32):
        raise ValueError
    return found


def read_p12(path: Path, password: bytes | None) -> tuple[list[bytes], bytes]:
    """Return ([certificate, what stands above it], PKCS #8 key) of a PKCS #12 file, all in DER."""
    try:
        found = pkcs12.load_key_and_certificates(read(path, "--p12"), password)
    except ValueError:
        raise ConfigError(f"--p12: {path} is no PKCS #12 file, or the password is wrong") from None
    except UnsupportedAlgorithm:
        raise ConfigError(f"--p12: {path} holds a key of a kind that is unknown here") from None
    key, certificate, others = found
    if key is None or certificate is None:
        raise ConfigError(f"--p12: {path} lacks the key or its certificate")
    chain = [certificate]  # the file has them in any order, TLS wants them upwards, and no root
    others = [one for one in others if one.subject != one.issuer]
    while above := [one for one in others if one.subject == chain[-1].issuer and one not in chain]:
        chain.append(above[0])
    return [one.public_bytes(Encoding.DER) for one in chain], key.private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )


def read_secret(path: Path, what: str, may_be_empty: bool = False) -> str:
    """Return the first line of a password file, without the mark that some editors put first."""
    try:
        found = read(path, what).decode("utf-8-sig").split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{what}: {path} is not UTF-8 text") from None
    if not found and not may_be_empty:
        raise ConfigError(f"{what}: {path} holds none, its first line is empty")
    return found


def system_anchors() -> list[bytes]:
    """Return the operating system's trust anchors as DER."""
    found = ssl.create_default_context().get_ca_certs(binary_form=True)
    if not found:
        raise ConfigError("--system-trust: this system has no trust anchors")
    return found


def write_certificates(path: Path, ders: list[bytes]) -> None:
    """Replace a file by certificates in PEM."""
    _replace(path, "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders).encode(), 0o644)


def write_key(path: Path, der: bytes) -> None:
    """Replace a file by a private key (SEC 1 or PKCS #8 DER) as PKCS #8 PEM, mode 0600."""
    key = load_der_private_key(der, None)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _replace(path, content, stat.S_IRUSR | stat.S_IWUSR)


def check_writable(*paths: Path | None) -> None:
    """Raise ConfigError unless each file can be written: before anything is asked of a server."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise ConfigError(f"{path} cannot be written (it is a folder)")
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigError(f"{path} cannot be written (its folder is missing or read-only)")


def check_new_key(path: Path | None, force: bool, own: Path | None = None) -> None:
    """Raise ConfigError where a key that may be in use would be overwritten without --force.

    own: the file of a key that is written as it was read.
    """
    if path and not force and path.exists() and not (own and own.exists() and path.samefile(own)):
        raise ConfigError(f"{path} is there already, and may hold a key in use: give --force")


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file beside path and rename it over: the old content or the new, never half."""
    name = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(name, mode)
        os.replace(name, path)
    except OSError as error:
        if name:
            os.unlink(name)  # it may hold a key
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None
