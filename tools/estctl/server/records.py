"""What the server has issued, in SQLite: each certificate, and how its owner authenticated."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from estctl.server import certificates
from estctl.server.settings import SettingsError

_TABLE = """
CREATE TABLE IF NOT EXISTS issued (
    serial TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    not_before TEXT NOT NULL,
    not_after TEXT NOT NULL,
    operation TEXT NOT NULL,
    label TEXT NOT NULL,
    client TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    certificate BLOB NOT NULL
)
"""
_COLUMNS = "serial, subject, not_before, not_after, operation, label, client, issued_at"


@dataclass(frozen=True)
class Issued:
    """An issued certificate: serial in hex, subject as in RFC 4514, times in ISO 8601 (UTC)."""

    serial: str
    subject: str
    not_before: str
    not_after: str
    operation: str
    label: str
    client: str  # how its owner proved who it is
    issued_at: str
    certificate: bytes  # DER


class Records:
    """The table of issued certificates."""

    def __init__(self, path: Path) -> None:
        """Open the database, or make it. Raises SettingsError where it is damaged."""
        self._database = sqlite3.connect(path, isolation_level=None)  # every statement commits
        try:
            # Rows are written, and few are read again: 2 MiB of them in memory serve nobody.
            self._database.execute("PRAGMA cache_size = -64")  # KiB
            self._database.execute(_TABLE)
        except sqlite3.Error as error:
            self._database.close()
            raise SettingsError(f"{path} cannot be used: {error}") from None

    def add(self, certificate: x509.Certificate, operation: str, label: str, client: str) -> None:
        """Record an issued certificate; client: how its owner proved who it is."""
        self._database.execute(
            f"INSERT INTO issued ({_COLUMNS}, certificate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                certificates.serial_text(certificate),
                certificate.subject.rfc4514_string(),
                certificate.not_valid_before_utc.isoformat(),
                certificate.not_valid_after_utc.isoformat(),
                operation,
                label,
                client,
                certificates.now().isoformat(timespec="seconds"),
                certificate.public_bytes(Encoding.DER),
            ),
        )

    def knows(self, certificate: x509.Certificate) -> bool:
        """Tell whether exactly this certificate was issued here."""
        serial = certificates.serial_text(certificate)
        row = self._database.execute(
            "SELECT certificate FROM issued WHERE serial IN (?, ?)",
            (serial, serial.lstrip("0")),  # as earlier versions wrote it
        ).fetchone()
        return row is not None and row[0] == certificate.public_bytes(Encoding.DER)

    def count(self) -> int:
        """Return how many certificates were issued."""
        return int(self._database.execute("SELECT count(*) FROM issued").fetchone()[0])

    def issued(self) -> list[Issued]:
        """Return what was issued, the oldest first."""
        rows = self._database.execute(f"SELECT {_COLUMNS}, certificate FROM issued ORDER BY rowid")
        return [Issued(*row) for row in rows]

    def close(self) -> None:
        """Close the database."""
        self._database.close()
