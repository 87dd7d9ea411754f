"""package.json (what `mip` installs), the lock file, and the project's version."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def tool():
    """The module tools/package_json.py."""
    spec = importlib.util.spec_from_file_location("package_json", ROOT / "tools/package_json.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def package():
    """The content of package.json."""
    return json.loads((ROOT / "package.json").read_text())


def test_package_json_is_current(tool):
    assert tool.is_current(), "package.json is stale: run `make package`"


def test_package_json_lists_each_file_of_the_library_once(package):
    targets = [target for target, _ in package["urls"]]
    on_disk = {path.relative_to(ROOT / "lib").as_posix() for path in (ROOT / "lib").rglob("*.py")}
    assert sorted(targets) == sorted(on_disk)


def test_each_address_is_a_file_here_under_its_own_name(package):
    for target, url in package["urls"]:
        assert (ROOT / url).is_file()
        assert url == "lib/" + target


def test_the_board_needs_nothing_from_elsewhere(package):
    assert package["deps"] == []


def test_the_version_is_the_projects(package, tool):
    assert package["version"] == tool.version()


def test_every_locked_package_has_a_version_and_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", lock.split("\n", 2)[2])
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==[0-9]", entry), entry[:60]
        assert "--hash=sha256:" in entry, entry[:60]


def test_the_lock_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock


def test_the_lock_covers_what_pyproject_asks_for():
    wanted = re.findall(r'^ {4}"([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.M)
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.M)
    assert wanted
    assert set(wanted) <= set(locked)
