"""The CA's generations, each a root and an issuing CA, and the rollover from one to the next.

RFC 4210 4.4 and RFC 7030 4.1.3: the new root has the old one's name. While the old one counts,
OldWithNew (its key signed by the new one) and NewWithOld (the new key signed by the old one) link
the two, so that who trusts either comes to the other.

The first generation is root and issuing, the Nth root-N and issuing-N, each .pem and .key;
links-N.pem has OldWithNew and NewWithOld. What counts is one file, ca.json, replaced whole: a
server that is ended in between does it again. There is none before the first rollover.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from estctl.server import certificates, folder, stored
from estctl.server.certificates import Validity, named
from estctl.server.settings import RollOver, SettingsError
from estctl.server.signing import Pair, sign

NAME = "micropython-est development"
_STATE = "ca.json"


@dataclass(frozen=True)
class Generation:
    """A root, the issuing CA below it, and what links the root to the one before."""

    root: Pair
    issuing: Pair
    links: tuple[x509.Certificate, ...] = ()  # OldWithNew, NewWithOld


class Generations:
    """All generations of the CA in a folder.

    Attributes: every (tuple of Generation, the oldest first); rolling_over (bool).
    """

    def __init__(self, path: Path, first_root: Callable[[], Pair]) -> None:
        """Load them; first_root makes the very first root. Raises SettingsError."""
        self._path = path
        if (path / _STATE).exists():
            self._oldest, newest = _read_state(path / _STATE)
        else:
            _make_first(path, first_root)
            self._oldest = newest = 1
        self.every = tuple(_load(path, number) for number in range(1, newest + 1))

    @property
    def current(self) -> Generation:
        """The one that issues."""
        return self.every[-1]

    @property
    def files(self) -> tuple[Path, Path]:
        """The PEM files of the current root and issuing CA."""
        suffix = _suffix(len(self.every))
        return self._path / f"root{suffix}.pem", self._path / f"issuing{suffix}.pem"

    @property
    def shown(self) -> tuple[Generation, ...]:
        """Those of /cacerts, the oldest first: the current one, and, in a rollover, the one before
        for as long as its root lasts."""
        before = self.every[self._oldest - 1 : -1]
        return (*(g for g in before if certificates.is_current(g.root.certificate)), self.current)

    @property
    def rolling_over(self) -> bool:
        """Whether a rollover was begun and not finished."""
        return self._oldest < len(self.every)

    def roll_over(self, step: RollOver, days: int) -> None:
        """Begin a rollover, which may be begun already, or finish it.

        days: validity of the new root. Raises SettingsError where there is none to finish.
        """
        if step == RollOver.FINISH:
            if not self.rolling_over:
                raise SettingsError("there is no rollover to finish: --roll-over begin is first")
            self._keep(oldest=len(self.every))
        elif not self.rolling_over:
            self.every = (*self.every, self._successor(days))
            self._keep(oldest=len(self.every) - 1)

    def _successor(self, days: int) -> Generation:
        old, number = self.current.root, len(self.every) + 1
        root = stored.load(self._path, f"root-{number}")
        if not root:
            key = certificates.new_key(certificates.kind_of(old.key))
            root = certificates.self_signed(
                old.certificate.subject, key, certificates.lasting(days)
            )
            stored.save(self._path, f"root-{number}", root)
        links = (old_with_new(old, root).certificate, new_with_old(root, old).certificate)
        stored.write_certificates(self._path / f"links-{number}.pem", *links)
        return Generation(root, _issuing(self._path, number, root), links)

    def _keep(self, oldest: int) -> None:
        self._oldest = oldest
        state = {"oldest": oldest, "newest": len(self.every)}
        folder.write(self._path / _STATE, json.dumps(state).encode())


def new_with_old(new: Pair, old: Pair) -> Pair:
    """Return the new key signed by the old one, for as long as the old one lasts."""
    validity = Validity(new.certificate.not_valid_before_utc, old.certificate.not_valid_after_utc)
    return _cross(new, old, validity)


def old_with_new(old: Pair, new: Pair) -> Pair:
    """Return the old key signed by the new one, for all of the old one's life."""
    root = old.certificate
    return _cross(old, new, Validity(root.not_valid_before_utc, root.not_valid_after_utc))


def _cross(signed: Pair, signer: Pair, validity: Validity) -> Pair:
    name = signed.certificate.subject
    builder = certificates.subordinate(name, signed.public_key, signer, None, validity)
    return Pair(sign(builder, signer), signed.key)


def _make_first(path: Path, first_root: Callable[[], Pair]) -> None:
    root = stored.load(path, "root")
    if not root:
        # A new root under the old name would lock out every device that trusts the old one.
        if (path / "issuing.pem").exists():
            raise SettingsError(f"{path / 'root.pem'} is missing: restore it")
        root = stored.save(path, "root", first_root())
    _issuing(path, 1, root)


def _issuing(path: Path, number: int, root: Pair) -> Pair:
    """Return the issuing CA of a generation, made where it is missing."""
    file = f"issuing{_suffix(number)}"
    found = stored.load(path, file)
    if found:
        return found
    key = certificates.new_key(certificates.kind_of(root.key))
    name = named(f"{NAME} issuing CA" + (f" {number}" if number > 1 else ""))
    made = sign(certificates.subordinate(name, key.public_key(), root), root)
    return stored.save(path, file, Pair(made, key))


def _load(path: Path, number: int) -> Generation:
    """Return a generation that was made before. Raises SettingsError where it is not whole."""
    root, issuing = (_pair(path, name + _suffix(number)) for name in ("root", "issuing"))
    if not certificates.signed_by(issuing.certificate, root.certificate):
        suffix = _suffix(number)
        raise SettingsError(f"{path}: issuing{suffix}.pem is not signed by root{suffix}.pem")
    return Generation(root, issuing, _links(path / f"links-{number}.pem") if number > 1 else ())


def _pair(path: Path, name: str) -> Pair:
    found = stored.load(path, name)
    if not found:
        raise SettingsError(f"{path / name}.pem is missing: restore it")
    return found


def _links(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: restore it") from None
    except ValueError:
        raise SettingsError(f"{path} is damaged, or not ours") from None


def _suffix(number: int) -> str:
    return f"-{number}" if number > 1 else ""


def _read_state(path: Path) -> tuple[int, int]:
    """Return the numbers of the oldest generation that counts, and of the newest."""
    try:
        state = json.loads(path.read_bytes())
        oldest, newest = int(state["oldest"]), int(state["newest"])
    except (ValueError, KeyError, TypeError):
        oldest = newest = 0
    if not 1 <= oldest <= newest <= oldest + 1:
        raise SettingsError(f"{path} is damaged, or not ours")
    return oldest, newest
