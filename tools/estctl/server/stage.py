"""What a server shows at one moment: its TLS certificate, its /cacerts, who signs, whom it asks.

Without a scenario there is one stage, which the CA of the folder makes and which never changes.
"""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptography import x509

from estctl.server.signing import Pair


class Credentials(Enum):
    """What a server does with the credentials that it asks for."""

    CHECKED = "checked"
    TAKEN = "whatever they are, they do: an attacker's way to collect them"
    TAKEN_FOR_ALL = "the same, also before the answers that RFC 7030 gives to everyone"


@dataclass(frozen=True)
class TlsIdentity:
    """What TLS presents, as PEM files: the certificate and those above it, and its key."""

    chain_file: Path
    key_file: Path
    ciphers: str | None = None  # as OpenSSL writes them; None: its default


@dataclass(frozen=True)
class Stage:
    """What a server shows at one moment."""

    tls: TlsIdentity
    cacerts: tuple[x509.Certificate, ...]
    issuer: Pair
    client_cas: tuple[x509.Certificate, ...]  # of devices that authenticate with certificates
    credentials: Credentials = Credentials.CHECKED
    cacerts_location: str | None = None  # where /cacerts redirects to
    san_from_cn: bool = False  # a subjectAltName for who asks for none
    password_first: bool = False  # a password counts more than a certificate
    text: str = ""  # what the server does now, for the log
