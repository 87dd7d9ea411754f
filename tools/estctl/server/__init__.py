"""A development EST server (RFC 7030, RFC 8951) with a CA of its own; not for production.

async with EstServer(Settings(folder)) as server:
    print(server.url, server.fingerprint, server.records.count())
"""

from estctl.server.running import EstServer
from estctl.server.settings import (
    Authentication,
    KeyKind,
    RollOver,
    Settings,
    SettingsError,
    TlsVersions,
)

__all__ = [
    "Authentication",
    "EstServer",
    "KeyKind",
    "RollOver",
    "Settings",
    "SettingsError",
    "TlsVersions",
]
