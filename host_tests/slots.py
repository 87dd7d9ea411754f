"""What tests do to the store of a simulated board, whose flash is a folder."""

from pathlib import Path

from devid import record
from devid.record import Record
from devid.store import Store


def identity(flash: Path) -> Record | None:
    """Return the identity that is stored there."""
    found: Record | None = record.load(Store(str(flash / "identity")))
    return found


def change(flash: Path, item: int, octets: bytes | None) -> None:
    """Replace one item in both slots, or drop it."""
    store = Store(str(flash / "identity"))
    store.commit({item: None if octets is None else (octets,)})
    store.settle()


def damage(flash: Path, slot: str) -> None:
    """Cut the end off one slot."""
    file = flash / "identity" / slot
    file.write_bytes(file.read_bytes()[:-9])
