"""What a scenario is, and what its builder works with."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from estctl.server import stored
from estctl.server.authority import Authority
from estctl.server.plain_http import PlainHttp
from estctl.server.settings import Settings
from estctl.server.signing import Pair
from estctl.server.stage import Stage, TlsIdentity


@dataclass(frozen=True)
class Play:
    """A scenario as one server plays it: its phases, and what it needs beside them."""

    stages: tuple[Stage, ...]
    implicit: Path | None = None  # PEM of CAs that a client trusts for TLS alone
    plain: PlainHttp | None = None


class Scene:
    """The true CA and the server's names, and ways to change what the server shows."""

    def __init__(self, authority: Authority, settings: Settings) -> None:
        self.authority = authority
        self.settings = settings
        self.folder = settings.folder
        self.names = settings.certificate_names()
        self.host = urlsplit(settings.url(0)).hostname or ""

    @property
    def usual(self) -> Stage:
        """What the server shows where no scenario says else."""
        return self.authority.stage

    def tls(
        self, leaf: Pair, *above: Pair, ciphers: str | None = None, phase: int = 0
    ) -> TlsIdentity:
        """Return what presents a certificate and those above it, written to files."""
        name = f"{self.settings.scenario}-tls{phase}"
        identity = TlsIdentity(self.folder / f"{name}.pem", self.folder / f"{name}.key", ciphers)
        stored.write_key(identity.key_file, leaf.key)
        stored.write_certificates(
            identity.chain_file, *(pair.certificate for pair in (leaf, *above))
        )
        return identity

    def enrolling(self, *chain: Pair) -> Stage:
        """Return a stage whose last CA of a chain issues, and whose /cacerts has the chain too."""
        added = certificates_of(*chain)
        return dataclasses.replace(
            self.usual,
            issuer=chain[-1],
            cacerts=self.usual.cacerts + added,
            client_cas=self.usual.client_cas + added,
        )

    def listing(self, *added: x509.Certificate) -> Stage:
        """Return a stage whose /cacerts has more certificates."""
        return dataclasses.replace(self.usual, cacerts=self.usual.cacerts + added)


@dataclass(frozen=True)
class Scenario:
    """A role: its name, one line that says what it is, and who builds it."""

    name: str
    summary: str
    build: Callable[[Scene], Play]
    aged: bool = False  # its true CA is one of its own, in a folder of its name, soon to expire


def certificates_of(*pairs: Pair) -> tuple[x509.Certificate, ...]:
    """Return the certificates of pairs."""
    return tuple(pair.certificate for pair in pairs)


def alone(build: Callable[[Scene], Stage]) -> Callable[[Scene], Play]:
    """Return the builder of a play that has one stage."""
    return lambda scene: Play((build(scene),))
