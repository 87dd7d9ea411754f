"""Reads and writes the files of the commands: certificates, requests and keys, PEM or DER."""

import os
import ssl
import stat
import tempfile
from dataclasses import dataclass
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


@dataclass
class NewFile:
    """What a file is to hold, and its mode."""

    path: Path
    content: bytes
    mode: int


def of_certificates(path: Path, ders: list[bytes]) -> NewFile:
    """Return a file of certificates in PEM."""
    return NewFile(path, "".join(ssl.DER_cert_to_PEM_cert(der) for der in ders).encode(), 0o644)


def of_key(path: Path, der: bytes) -> NewFile:
    """Return a file of a private key (SEC 1 or PKCS #8 DER) as PKCS #8 PEM, mode 0600."""
    key = load_der_private_key(der, None)
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return NewFile(path, content, stat.S_IRUSR | stat.S_IWUSR)


def write_certificates(path: Path, ders: list[bytes]) -> None:
    """Replace a file by certificates in PEM."""
    replace(of_certificates(path, ders))


def write_key(path: Path, der: bytes) -> None:
    """Replace a file by a private key (SEC 1 or PKCS #8 DER) as PKCS #8 PEM, mode 0600."""
    replace(of_key(path, der))


def replace(*files: NewFile) -> None:
    """Replace files together: all are written before one takes its place. Raises ConfigError."""
    written: list[tuple[str, Path]] = []
    try:
        for file in files:
            path = file.path
            handle, name = tempfile.mkstemp(dir=target(path).parent, prefix=".estctl-")
            written.append((name, target(path)))
            with os.fdopen(handle, "wb") as stream:
                stream.write(file.content)
            os.chmod(name, file.mode)
        for file in files:
            path = file.path
            os.replace(*written[0])
            del written[0]
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror})") from None
    finally:
        for name, _ in written:
            os.unlink(name)  # it may hold a key


def target(path: Path) -> Path:
    """Return the file that a path means, where symbolic links lead."""
    return Path(os.path.realpath(path))


def check_writable(*paths: Path | None) -> None:
    """Raise ConfigError unless each file can be written: before anything is asked of a server."""
    seen = []
    for path in paths:
        if path is None:
            continue
        file = target(path)
        if file in seen:
            raise ConfigError(f"{path} is given for two files to write")
        seen.append(file)
        try:
            mode = file.lstat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
        except OSError as error:
            raise ConfigError(f"{path} cannot be written ({error.strerror})") from None
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{path} cannot be written (it is a folder)")
        if not stat.S_ISREG(mode):  # a device would be replaced
            raise ConfigError(f"{path} cannot be written (it is no regular file)")
        if not file.parent.is_dir() or not os.access(file.parent, os.W_OK):
            raise ConfigError(f"{path} cannot be written (its folder is missing or read-only)")


def check_new_key(path: Path, force: bool, *own: Path | None) -> None:
    """Raise ConfigError where a key that may be in use would be overwritten without --force.

    own: files of keys that may be replaced, as their key is written again or given up.
    """
    if not force and path.exists() and target(path) not in [target(it) for it in own if it]:
        raise ConfigError(f"{path} is there already, and may hold a key in use: give --force")
