"""The project's venv: the packages of requirements.lock, and the project itself, editable.

The venv is made again only when its Python is gone; packages are installed again only when the
lock, pyproject.toml or the Python version changed. Works without Debian's python3-venv: that is
installed where set-up may, else pip is unpacked from Debian's own package.
"""

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

from setup import debian
from setup.progress import CommandError, SetupError, complaint, headline, run, say, step

_PIP_DEADLINE = 1200  # seconds: some 60 packages, 60 MB, on a slow line
_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Environment:
    """The venv of the project in folder `root`; folder: where, if not in `.venv`.

    lock: other packages than those of requirements.lock, without the project itself.
    """

    def __init__(self, root: Path, folder: Path | None = None, lock: Path | None = None) -> None:
        self._root = root
        self._folder = folder or root / ".venv"
        self._lock = lock or root / "requirements.lock"
        self._with_project = lock is None
        self._stamp = self._folder / "setup-stamp"

    def provide(self) -> None:
        """Make the venv as the lock wants it; do nothing where it is so already."""
        wanted = self._key()
        if self._usable() and self._stamp.is_file() and self._stamp.read_text() == wanted:
            return
        self._stamp.unlink(missing_ok=True)
        if not self._usable():
            self._create()
        self._install()
        self._stamp.write_text(wanted)

    def _key(self) -> str:
        """Return a text that changes when something has to be installed again."""
        digest = hashlib.sha256()
        for part in (self._lock, self._root / "pyproject.toml"):
            digest.update(part.read_bytes())
        return f"{_VERSION} {self._root} {digest.hexdigest()}\n"

    def _usable(self) -> bool:
        """Tell whether there is a venv with pip, of this Python version, whose Python exists."""
        library = self._folder / "lib" / f"python{_VERSION}"
        return (self._folder / "bin/python").exists() and (library / "site-packages/pip").is_dir()

    def _create(self) -> None:
        """Make an empty venv with pip in it."""
        with step(f"making {self._folder.name} with Python {_VERSION} ({sys.executable})"):
            shutil.rmtree(self._folder, ignore_errors=True)
            if _has_ensurepip():
                run([sys.executable, "-m", "venv", str(self._folder)], deadline=120)
                return
            try:
                _install_ensurepip()
                run([sys.executable, "-m", "venv", str(self._folder)], deadline=120)
            except SetupError as refused:
                if not debian.available():
                    raise
                say(f"    {headline(refused)}")
                self._create_with_fetched_pip(refused)

    def _create_with_fetched_pip(self, refused: SetupError) -> None:
        """Make the venv with the pip of Debian's package python3-pip-whl, unpacked privately.

        `refused` says why python3-venv could not be installed; it is raised where this fails too.
        """
        say(f"    so Debian's pip is unpacked for {self._folder.name} alone")
        suite = debian.release().get("VERSION_CODENAME", "")
        with tempfile.TemporaryDirectory(prefix=".pip-", dir=self._root) as name:
            folder = Path(name)
            try:
                packages = debian.fetch_from_mirrors(
                    folder, suite, debian.architecture(), ["python3-pip-whl"], dependencies=False
                )
            except SetupError as error:
                raise SetupError(
                    f"{headline(refused)}\n"
                    f"pip could not be fetched privately either: {complaint(error)}"
                ) from error
            debian.unpack(packages, folder / "root")
            wheel = next((folder / "root/usr/share/python-wheels").glob("pip-*.whl"))
            run([sys.executable, "-m", "venv", "--without-pip", str(self._folder)], deadline=120)
            pip = [str(self._folder / "bin/python"), f"{wheel}/pip", "install", "-q"]
            run([*pip, "--no-index", "--no-deps", str(wheel)], deadline=120)

    def _install(self) -> None:
        """Install the locked packages and the project; nothing else is downloaded."""
        count = sum("==" in line for line in self._lock.read_text().splitlines())
        with step(f"installing the pinned Python packages of {self._lock.name} (up to {count})"):
            self._pip("--require-hashes", "-r", str(self._lock))
            if self._with_project:
                # The build backend is one of the locked packages: building needs no network.
                project = ["--no-build-isolation", "--no-index", "-e", str(self._root)]
                self._pip("--no-deps", *project)

    def _pip(self, *arguments: str) -> None:
        """Run the venv's pip; where it fails, say what a machine without a network needs."""
        command = [str(self._folder / "bin/python"), "-m", "pip", "install", "-q"]
        command += [
            "--disable-pip-version-check",
            "--no-input",
            "--retries=2",
            *arguments,
        ]
        # pip's own settings stay in force: an index, a proxy, a folder of wheels.
        try:
            run(
                command,
                deadline=_PIP_DEADLINE,
                env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"},
            )
        except CommandError as error:
            raise SetupError(
                f"the Python packages of {self._lock.name} could not be installed.\n"
                "Without a network: put their wheels into a folder (`pip download -r"
                f" {self._lock.name} -d FOLDER` elsewhere) and set PIP_NO_INDEX=1"
                f" PIP_FIND_LINKS=FOLDER.\n{error}"
            ) from error


def _has_ensurepip() -> bool:
    """Tell whether this Python can put pip into a venv (Debian's needs a package for it)."""
    return importlib.util.find_spec("ensurepip") is not None


def _install_ensurepip() -> None:
    """Install what brings ensurepip; raise SetupError, naming the package, where that fails."""
    if not debian.available():
        raise SetupError(
            f"{sys.executable} has no module ensurepip: install the package that brings it"
            " (often called python3-venv), or run make with PYTHON=/path/to/another/python3"
        )
    debian.install([f"python{_VERSION}-venv"], "Python cannot make a venv by itself")
    importlib.invalidate_caches()
