"""What the server has issued, in SQLite."""

import sqlite3
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_TABLE = """
CREATE TABLE IF NOT EXISTS issued (
    serial TEXT PRIMARY KEY,
    subject TEXT NOT NULL,
    not_before TEXT NOT NULL,
    not_after TEXT NOT NULL,
    operation TEXT NOT NULL,
    label TEXT NOT NULL,
    client TEXT NOT NULL,
    issued_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    certificate BLOB NOT NULL
)
"""


class Records:
    """The table of issued certificates."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)  # every statement commits
        self._database.execute(_TABLE)

    def add(self, certificate: x509.Certificate, operation: str, label: str, client: str) -> None:
        """Record an issued certificate; client: how its owner proved who it is."""
        self._database.execute(
            "INSERT INTO issued (serial, subject, not_before, not_after, operation, label, client,"
            " certificate) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                f"{certificate.serial_number:x}",
                certificate.subject.rfc4514_string(),
                certificate.not_valid_before_utc.isoformat(),
                certificate.not_valid_after_utc.isoformat(),
                operation,
                label,
                client,
                certificate.public_bytes(Encoding.DER),
            ),
        )

    def knows(self, certificate: x509.Certificate) -> bool:
        """Tell whether exactly this certificate was issued here."""
        row = self._database.execute(
            "SELECT certificate FROM issued WHERE serial = ?", (f"{certificate.serial_number:x}",)
        ).fetchone()
        return row is not None and row[0] == certificate.public_bytes(Encoding.DER)

    def count(self) -> int:
        """Return how many certificates were issued."""
        return int(self._database.execute("SELECT count(*) FROM issued").fetchone()[0])

    def close(self) -> None:
        """Close the database."""
        self._database.close()
