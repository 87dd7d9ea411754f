"""Servers as they are: `estctl server --profile NAME`. What each does is data, in profiles.json.

A profile is a set of quirks that do not know of each other: several --profile are all of their
quirks together. `rules` are those of what a server asks for, `wire` those of how it answers.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estctl.server import csrattrs
from estctl.server.settings import Authentication, Settings, SettingsError, TlsVersions
from estctl.server.stage import Stage

__all__ = ["CATALOGUE", "Quirks", "applied", "find", "staged", "verifying"]

CATALOGUE: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "profiles.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Quirks:
    """What a server does in a way of its own; each default is what this server does anyway."""

    about: str = ""
    notes: str = ""
    # What it listens on, and for whom
    port: int = 8443
    tls: str = "both"
    alpn: tuple[str, ...] = ()
    scenario: str | None = None
    client_chain: bool = False  # TLS knows the roots alone: clients send what is between
    user: str = "device"
    authentication: str = "basic"
    # What a request must be like
    labels: tuple[int, ...] = ()  # how many segments a label may have; empty: any number
    joined_by: str = "/"  # what else may stand between the segments
    label: str = ""  # an example, for the URL that people are shown
    newline_needed: bool = False
    chunked_refused: bool = False
    one_time_password: bool = False
    certificate_needed: bool = False
    password_first: bool = False
    approvals: int = 0  # how often a subject hears 202
    # What is in an answer
    csrattrs: str = "none"  # or default, or the status that stands for none
    cacerts_root: bool = True
    cacerts_issuing: bool = True
    enrol_chain: bool = False
    san_from_cn: bool = False
    order: str = ""  # of certificates: root-first, root-last
    # How it is written
    success: int = 200
    form: str = "base64"  # or der, pem, pem-certificates
    line: int = 76  # characters of a line of base64; 0: all on one
    line_end: str = "\n"
    tail: str = ""
    csrattrs_tail: str = ""
    content_type: str = "usual"  # or none, odd
    header_names: str = "usual"  # or lower, upper
    headers: dict[str, str] = field(default_factory=dict)
    challenge: str = ""  # another spelling
    challenge_for_wrong: bool = True
    framing: str = "length"  # or chunked, close
    unframed: tuple[int, ...] = ()  # statuses whose answer has neither length nor body
    records_apart: bool = False
    close_after: tuple[int, ...] = ()  # statuses after which it closes, and does not say so


def find(names: Sequence[str]) -> Quirks | None:
    """Return the quirks of all the named profiles; None without any. Raises SettingsError."""
    together: dict[str, Any] = {}
    for name in names:
        if name not in CATALOGUE:
            known = ", ".join(CATALOGUE)
            raise SettingsError(f"there is no profile {name!r}; there are {known}")
        for key, value in CATALOGUE[name].items():
            together[key] = tuple(value) if isinstance(value, list) else value
    return Quirks(**together) if names else None


def applied(settings: Settings, quirks: Quirks) -> Settings:
    """Return the settings with a profile's own, where they were left as they are by default."""
    usual = Settings(settings.folder)
    own: dict[str, Any] = {
        "tls": TlsVersions(quirks.tls),
        "user": quirks.user,
        "authentication": Authentication(quirks.authentication),
        "csrattrs": csrattrs.DEFAULT if quirks.csrattrs == "default" else None,
        "scenario": quirks.scenario,
    }
    changed = {
        name: value
        for name, value in own.items()
        if getattr(settings, name) == getattr(usual, name)
    }
    return dataclasses.replace(settings, **changed)


def staged(stage: Stage, quirks: Quirks) -> Stage:
    """Return a stage with what a profile shows in /cacerts and puts into certificates."""
    listed = [
        certificate
        for certificate in stage.cacerts
        if (quirks.cacerts_root or certificate.subject != certificate.issuer)
        and (quirks.cacerts_issuing or certificate != stage.issuer.certificate)
    ]
    return dataclasses.replace(
        stage,
        cacerts=tuple(listed),
        san_from_cn=quirks.san_from_cn,
        password_first=quirks.password_first,
    )


def verifying(stages: tuple[Stage, ...], quirks: Quirks | None) -> tuple[Stage, ...]:
    """Return the stages with the CAs that TLS knows for client certificates."""
    if not quirks or not quirks.client_chain:
        return stages
    return tuple(
        dataclasses.replace(
            stage, client_cas=tuple(ca for ca in stage.client_cas if ca.subject == ca.issuer)
        )
        for stage in stages
    )
