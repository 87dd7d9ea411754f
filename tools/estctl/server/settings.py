"""What a development server is told, and what of it makes no server."""

import ipaddress
import platform
import re
import ssl
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

OPERATIONS = ("cacerts", "csrattrs", "simpleenroll", "simplereenroll", "serverkeygen", "fullcmc")
MOST_DAYS = 1_000_000  # of a certificate: dates end with the year 9999
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")
_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*)(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?")


class SettingsError(Exception):
    """The settings, or the server's folder, make no server; the text says why, in one line."""


class Authentication(str, Enum):
    """How a client without a certificate proves who it is (RFC 7030 3.2.3)."""

    BASIC = "basic"
    DIGEST = "digest"
    BEARER = "bearer"
    NONE = "none"


class TlsVersions(str, Enum):
    """Which TLS versions are spoken."""

    V1_2 = "1.2"
    V1_3 = "1.3"
    BOTH = "both"


class Link(str, Enum):
    """Whether requests have to be linked to the TLS session that carries them."""

    REQUIRE = "require"
    OFF = "off"


class KeyKind(str, Enum):
    """What keys the root and the issuing CA have."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA4096 = "rsa4096"


class RollOver(str, Enum):
    """A step of the rollover to a new root and a new issuing CA (RFC 7030 4.1.3)."""

    BEGIN = "begin"
    FINISH = "finish"


@dataclass(frozen=True)
class Settings:
    """What a server is told; `folder` keeps its CA, its records and its password.

    The enumerations may be given as their text, such as "none".
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    allow_remote: bool = False
    names: tuple[str, ...] = ()  # of the TLS certificate, beside the loopback's
    authentication: Authentication = Authentication.BASIC
    user: str = "device"
    require_client_certificate: bool = False
    client_ca: Path | None = None  # who else may issue client certificates (PEM)
    labels: tuple[str, ...] = ()  # empty: every label
    ca_key: KeyKind | None = None  # None: what the folder has, and p256 in a new one
    days: int = 365  # validity of what is issued
    root_days: int = 7300  # validity of a new root
    roll_over: RollOver | None = None  # what to do with the CA first
    tls: TlsVersions = TlsVersions.BOTH
    csrattrs: bytes | None = None  # the DER of CsrAttrs; None: 204
    key_encryption_key: bytes | None = field(default=None, repr=False)  # AES, of /serverkeygen
    linked: bool = False  # whether requests have to be linked to TLS (RFC 7030 3.5)
    scenario: str | None = None  # the name of a role to play
    fault: str | None = None  # what to spoil answers with, and where: see faults.find()
    not_yet: int = 0  # how often each request to enrol is answered with 202
    retry_after: int | None = 10  # seconds in those answers; None: they do not say
    profiles: tuple[str, ...] = ()  # whose quirks to have
    psk_identity: str | None = None  # of a pre-shared key that replaces certificates; None: none
    psk_key_file: Path | None = None  # its key in hex; None: the folder's own

    def check(self) -> None:
        """Raise SettingsError where these settings make no server."""
        if not (_is_loopback(self.host) or self.allow_remote):
            raise SettingsError(
                f"{self.host} is not loopback, and this is a development server: "
                "if others may reach it, add --allow-remote"
            )
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port {self.port} is not between 0 and 65535")
        if self.linked and self.tls == TlsVersions.V1_3:
            raise SettingsError("--link require needs TLS 1.2: TLS 1.3 has no tls-unique")
        if not all(1 <= days <= MOST_DAYS for days in (self.days, self.root_days)):
            raise SettingsError(f"certificates are valid for 1 to {MOST_DAYS} days")
        if self.roll_over and self.scenario:
            raise SettingsError("--roll-over is not for a scenario: that has its own CAs")
        for name in self.names:
            if _address(name) is None and not _HOST_NAME.fullmatch(name):
                raise SettingsError(f"{name!r} is neither a DNS name nor an IP address")
        if not self.user.isprintable() or not self.user or ":" in self.user:
            raise SettingsError("an HTTP user name is printable and has no colon (RFC 7617)")
        for label in self.labels:
            _check_label(label)
        if self.psk_identity is not None:
            _check_psk(self.psk_identity)

    def certificate_names(self) -> list[str]:
        """Return the names of the TLS certificate: the loopback's, the host's, those given."""
        own = () if self._is_wildcard() else (self.host,)
        return list(dict.fromkeys((*_OWN_NAMES, *own, *self.names)))

    def url(self, port: int) -> str:
        """Return the URL without a path by which clients reach the server at a port."""
        host = self.host
        if self._is_wildcard():
            loopback = "::1" if ":" in host else "127.0.0.1"
            host = next((name for name in self.names if not name.startswith("*")), loopback)
        return f"https://{f'[{host}]' if ':' in host else host}:{port}"

    def _is_wildcard(self) -> bool:
        address = _address(self.host)
        return address is not None and address.is_unspecified


def is_label(label: str) -> bool:
    """Tell whether a text can be a label: no part of it names an operation (RFC 7030 3.2.2)."""
    parts = label.split("/")
    return all(part.isprintable() and part not in ("", ".", "..", *OPERATIONS) for part in parts)


def _check_label(label: str) -> None:
    if any(part in OPERATIONS for part in label.split("/")):
        raise SettingsError(f"the label {label!r} has the name of an operation (RFC 7030 3.2.2)")
    if not is_label(label) or re.search(r"[?#%\s]", label):
        raise SettingsError(f"{label!r} is no label: give a path segment, or several with /")


def _check_psk(identity: str) -> None:
    if not getattr(ssl, "HAS_PSK", False):
        raise SettingsError(
            "--psk needs CPython 3.13 or newer, whose ssl has pre-shared keys; this is "
            f"{platform.python_implementation()} {platform.python_version()}"
        )
    if not identity.isprintable() or not 0 < len(identity.encode()) <= 128:
        raise SettingsError("the identity of a pre-shared key is a text of 1 to 128 bytes")


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
