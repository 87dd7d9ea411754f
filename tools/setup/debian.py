"""Debian packages: installed into the machine, or fetched with apt into a private folder.

The private way touches nothing of the machine: apt gets its own state, cache and sources, and the
packages are unpacked, not installed. The mirror is the machine's own, with its own keyring, so
apt's signature and checksum checks are in force. No package's version is written here: apt
resolves the dependencies.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from setup.progress import CommandError, SetupError, run, step

_ETC = Path("/etc/apt")
_APT_DEADLINE = 600  # seconds for one apt command, on a slow line
# A mirror that does not answer must not hold set-up up for long.
_IMPATIENT = (
    "-oAcquire::Retries=1",
    "-oAcquire::http::Timeout=10",
    "-oAcquire::https::Timeout=10",
)
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
_UNREACHABLE = re.compile(
    "could not connect|could not resolve|temporary failure|unable to connect|connection failed"
    "|connection refused|connection timed out|network is unreachable",
    re.IGNORECASE,
)


class Unreachable(SetupError):
    """The mirror cannot be reached: other suites of it need not be tried."""


class Mirror(NamedTuple):
    """One Debian archive as the machine's own apt knows it; `options` as in a one-line source."""

    uri: str
    options: tuple[str, ...]


def available() -> bool:
    """Tell whether this machine has apt and dpkg."""
    return all(shutil.which(program) for program in ("apt-get", "dpkg", "dpkg-deb"))


def architecture() -> str:
    """Return the machine's Debian architecture, such as "amd64"."""
    return run(["dpkg", "--print-architecture"], deadline=20).strip()


def release() -> dict[str, str]:
    """Return the fields of /etc/os-release."""
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


# --- the machine's own packages


def install(packages: Sequence[str], reason: str) -> None:
    """Install packages into the machine, as root or with a sudo that asks for no password.

    Raises SetupError, with the command to type, where neither is possible or apt fails.
    """
    manual = f"apt-get install {' '.join(packages)}"
    prefix = _as_root()
    if not available() or prefix is None:
        raise SetupError(f"{reason}; as an administrator: {manual}")
    command = [
        *prefix,
        "env",
        *(f"{k}={v}" for k, v in _ENVIRONMENT.items()),
        "apt-get",
        "-q",
    ]
    command += [*_IMPATIENT, "-oDPkg::Lock::Timeout=120"]
    with step(f"{reason}: installing {' '.join(packages)}"):
        try:
            if not any(Path("/var/lib/apt/lists").glob("*Packages*")):
                run([*command, "update"], deadline=_APT_DEADLINE)
            arguments = ["install", "-y", "--no-install-recommends", *packages]
            try:
                run([*command, *arguments], deadline=_APT_DEADLINE)
            except CommandError:  # old lists name packages that the mirror no longer has
                run([*command, "update"], deadline=_APT_DEADLINE)
                run([*command, *arguments], deadline=_APT_DEADLINE)
        except CommandError as error:
            raise SetupError(f"{reason}, and installing failed; try: {manual}\n{error}") from error


def _as_root() -> list[str] | None:
    """Return what to put before a command to run it as root, or None where that needs a person."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        done = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
        if done.returncode == 0:
            return ["sudo", "-n"]
    return None


# --- packages in a private folder


def mirrors() -> list[Mirror]:
    """Return the archives in the machine's apt sources that carry the machine's own release.

    Security archives and third parties with other suites are left out.
    """
    codename = release().get("VERSION_CODENAME", "")
    found: list[Mirror] = []
    files = [_ETC / "sources.list", *sorted((_ETC / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        for kinds, uris, suites, options in _entries(text, file.suffix):
            if "deb" in kinds and {
                codename,
                "stable",
                "testing",
                "unstable",
                "sid",
            } & set(suites):
                found += [Mirror(uri, options) for uri in uris]
    # Third parties may use Debian's suite names too: what is called debian comes first.
    return sorted(dict.fromkeys(found), key=lambda it: "debian" not in it.uri.split("/", 3)[-1])


_Entry = tuple[list[str], list[str], list[str], tuple[str, ...]]


def _entries(text: str, suffix: str) -> list[_Entry]:
    """Return (types, URIs, suites, options) of each source in a file of apt's."""
    if suffix == ".list":
        return [entry for line in text.splitlines() if (entry := _one_line(line))]
    return [entry for block in re.split(r"\n\s*\n", text) if (entry := _deb822(block))]


def _one_line(line: str) -> _Entry | None:
    """Read `deb [options] URI suite component ...`."""
    match = re.match(r"\s*(deb|deb-src)\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)", line)
    if not match:
        return None
    kind, options, uri, suite = match.groups()
    # The architecture is ours to choose.
    kept = tuple(part for part in (options or "").split() if not part.startswith("arch"))
    return [kind], [uri], [suite], kept


def _deb822(block: str) -> _Entry | None:
    """Read a stanza of `Types:`, `URIs:`, `Suites:`, `Signed-By:`; other fields change nothing."""
    lines = [line for line in block.splitlines() if not line.startswith("#")]
    unfolded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
    fields = {}
    for line in unfolded.splitlines():
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.split()
    if fields.get("enabled", ["yes"])[0].lower() in ("no", "false", "0") or "uris" not in fields:
        return None
    signed = fields.get("signed-by", [])
    # A key written into the stanza itself cannot be given on one line: then apt's own keys serve.
    options = (f"signed-by={signed[0]}",) if len(signed) == 1 and signed[0][0] == "/" else ()
    return fields.get("types", []), fields["uris"], fields.get("suites", []), options


class PrivateApt:
    """apt with its own state in `folder`, for one suite and architecture of one mirror."""

    def __init__(
        self, folder: Path, mirror: Mirror, suite: str, arch: str, kind: str = "deb"
    ) -> None:
        self._folder = folder
        for part in ("state/lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")  # nothing is installed: so every dependency is fetched
        options = f"[{' '.join(mirror.options)}] " if mirror.options else ""
        sources = f"{kind} {options}{mirror.uri} {suite} main\n"
        (folder / "sources.list").write_text(sources)
        self._apt = ["apt-get", "-q", *_IMPATIENT, *self._options(arch)]

    def _options(self, arch: str) -> list[str]:
        """Return apt's options that point it at the private folder and away from the machine."""
        pairs = {
            "Dir::State": self._folder / "state",
            "Dir::State::status": self._folder / "status",
            "Dir::Cache": self._folder / "cache",
            "Dir::Etc::sourcelist": self._folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Sandbox::User": "root",  # `_apt` may not write into a person's folder
            "APT::Default-Release": "",
            # Whatever the machine's apt lets pass: only what a key of its sources has signed.
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "true",  # nobody else uses this folder, and locks need root
        }
        return [f"-o{name}={value}" for name, value in pairs.items()]

    def fetch(self, packages: Sequence[str], *, dependencies: bool) -> list[Path]:
        """Download packages, with all that they depend on where wanted; return the .deb files.

        Raises Unreachable where there is no network, else SetupError.
        """
        archives = self._folder / "cache/archives"
        if dependencies:
            command = ["install", "-y", "--download-only", "--no-install-recommends"]
        else:
            command = ["download"]
        try:
            self._run("update")
            self._run(*command, *packages)
        except CommandError as error:
            kind = Unreachable if _UNREACHABLE.search(error.output) else SetupError
            raise kind(str(error)) from error
        return sorted(archives.glob("*.deb"))

    def fetch_source(self, package: str) -> list[Path]:
        """Download a source package (made with kind "deb-src"); return its files.

        Raises as `fetch` does. Nothing is unpacked, so dpkg-dev is not needed.
        """
        try:
            self._run("update")
            self._run("source", "--download-only", "--only-source", package)
        except CommandError as error:
            kind = Unreachable if _UNREACHABLE.search(error.output) else SetupError
            raise kind(str(error)) from error
        return sorted((self._folder / "cache/archives").glob(f"{package}_*"))

    def _run(self, *arguments: str) -> None:
        """Run apt in the folder where `download` is to leave its files."""
        run(
            # Some failed downloads are only warnings to apt; here they are errors.
            [*self._apt, "-oAPT::Update::Error-Mode=any", *arguments],
            deadline=_APT_DEADLINE,
            env={**os.environ, **_ENVIRONMENT},
            cwd=str(self._folder / "cache/archives"),
        )


def unpack(packages: Sequence[Path], root: Path) -> None:
    """Unpack .deb files into the folder `root`; nothing of them is run."""
    root.mkdir(parents=True, exist_ok=True)
    for package in packages:
        run(["dpkg-deb", "-x", str(package), str(root)], deadline=60)


def make_wrapper(root: Path, program: str, wrapper: Path) -> None:
    """Write a script that starts a program of an unpacked root.

    It runs through the loader and libraries of its own packages. `program` is relative to `root`,
    and `wrapper`, the script, lies beside `root`. Raises SetupError where there is no loader.
    """
    loaders = [it for it in root.glob("**/ld-*.so.*") if it.is_file() and not it.is_symlink()]
    if not loaders:
        raise SetupError(
            f"the packages of {program} have no loader: they are made in another way now"
        )
    loader = loaders[0].relative_to(root)
    folders = sorted({path.parent.relative_to(root) for path in root.glob("**/*-linux-gnu/*.so*")})
    libraries = ":".join(f"$root/{folder}" for folder in folders)
    wrapper.write_text(
        f"#!/bin/sh\n# Starts {wrapper.name} through its own loader and libraries.\n"
        "# Made by a test's set-up.\n"
        f'root="${{0%/*}}/root"\nexec "$root/{loader}" --library-path "{libraries}"'
        f' "$root/{program}" "$@"\n'
    )
    wrapper.chmod(0o755)


def fetch_from_mirrors(
    folder: Path,
    suite: str,
    arch: str,
    packages: Sequence[str],
    *,
    dependencies: bool = True,
) -> list[Path]:
    """Download packages from the first of the machine's mirrors that has them.

    `folder` is temporary, the caller's; the returned files are in it. Raises as `fetch` does.
    """
    return _first_mirror(
        lambda number, mirror: PrivateApt(folder / f"{suite}-{number}", mirror, suite, arch).fetch(
            packages, dependencies=dependencies
        )
    )


def fetch_source_from_mirrors(folder: Path, suite: str, package: str) -> list[Path]:
    """Download a source package from the first of the machine's mirrors that has it.

    `folder` is temporary, the caller's; the returned files are in it. Raises as `fetch` does.
    """
    return _first_mirror(
        lambda number, mirror: PrivateApt(
            folder / f"source-{suite}-{number}", mirror, suite, architecture(), "deb-src"
        ).fetch_source(package)
    )


def _first_mirror(fetch: Callable[[int, Mirror], list[Path]]) -> list[Path]:
    """Return what fetch(number, mirror) gives for the first mirror that has it."""
    known = mirrors()
    if not known:
        raise SetupError("no Debian mirror was found in /etc/apt")
    failures: list[SetupError] = []
    for number, mirror in enumerate(known):
        try:
            return fetch(number, mirror)
        except SetupError as error:
            failures.append(error)
    raise failures[0]
