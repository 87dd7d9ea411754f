"""The files of a server's folder: each is replaced whole, and secrets are their owner's alone."""

import os
import secrets
import tempfile
from pathlib import Path

from estctl.server.settings import SettingsError


def prepare(folder: Path) -> None:
    """Make the folder at first use; what is in it is never to be committed."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write(ignore, b"*\n")


def write(path: Path, content: bytes, private: bool = False) -> None:
    """Replace a file; private: only its owner can read it (mode 0600)."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp made it with mode 0600
            file.write(content)
            if not private:
                os.fchmod(file.fileno(), 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def password(path: Path) -> str:
    """Return the password in a file's first line; a new random one where there is no file.

    Raises SettingsError where the file holds no password.
    """
    if not path.exists():
        write(path, (secrets.token_urlsafe(18) + "\n").encode(), private=True)
    try:
        found = path.read_text("utf-8").split("\n")[0].rstrip("\r")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8 text: remove it to get a new password") from None
    if not found:
        raise SettingsError(f"{path} holds no password: remove it to get a new one")
    return found
