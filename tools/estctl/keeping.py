"""What an enrolment keeps: checked before anything is asked, and a new key while it waits."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import est

from estctl import files, options, output
from estctl.host_key import HostKey


def check(given: dict[str, Any], makes_key: bool) -> None:
    """Raise ConfigError where the outputs would lose what comes out, or a key that is there.

    given: the values of a command's options, by the names of its parameters. makes_key: whether
    there will be a new key, here or at the server.
    """
    options.check(given)
    cert, out_cert, out_key = (given.get(name) for name in ("cert", "out_cert", "out_key"))
    pending, force = given.get("pending_key"), given["force"]
    if out_cert is None:
        if given.get("rekey"):
            raise est.ConfigError("give --out-cert, or the new key would lose its certificate")
        output.warn("warning: without --out-cert the certificate is kept nowhere")
    if out_key is None:
        if makes_key:
            raise est.ConfigError("give --out-key, or the new key would be lost")
        return
    in_place = cert and out_cert and files.target(cert) == files.target(out_cert)
    goes = in_place or not (makes_key or pending)  # or is written as it was read
    files.check_new_key(out_key, force, pending, given["key"] if goes else None)
    if (makes_key or pending) and "pending_key" in given:
        files.check_new_key(_beside(out_key), force, pending)


def key_of(pending_key: Path | None, key: Path | None = None) -> HostKey:
    """Return the key to certify: of --pending-key, of --key, or a new one. Raises ConfigError."""
    if pending_key is not None:
        return HostKey.load(files.read_key(pending_key, "--pending-key"))
    return HostKey.generate() if key is None else HostKey.load(files.read_key(key))


@dataclass
class NewKey:
    """A key that was made for a certificate.

    key, out_key: the key, and where it belongs. option: what takes it in a later run.
    """

    key: HostKey
    out_key: Path
    option: str = "--pending-key"

    async def keep(self) -> str:
        """Write the key, as the server makes its certificate wait; return words that say where.

        A key that is there may be in use until then: the new one goes beside it.
        """
        place = _beside(self.out_key) if self.out_key.exists() else self.out_key
        files.write_key(place, await self.key.private_bytes())
        return f"the key is kept: ask again with {self.option} {place}"


def done(written: files.NewFile) -> None:
    """Remove the key that waited, now that it is written to where it belongs."""
    beside = _beside(written.path)
    if beside.is_file() and beside.read_bytes() == written.content:
        beside.unlink()


def _beside(out_key: Path) -> Path:
    """Return the file of a key that waits while out_key still holds the one before."""
    return out_key.with_name(out_key.name + ".pending")
