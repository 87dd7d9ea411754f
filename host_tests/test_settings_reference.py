"""The README's list of settings against the schema that the board checks, and the example file."""

import importlib
import json
import re
from pathlib import Path

import pytest
from estctl import library

settings = importlib.import_module("devid.settings")  # estctl has put lib/ on the path

README = (library.ROOT / "README.md").read_text()
EXAMPLE = library.FIRMWARE / "device.example.json"
TYPES = {
    "text": str,
    "object": dict,
    "list": list,
    "number": int,
    "fraction": (int, float),
    "true or false": bool,
    "text or false": (str, bool),
}


def rows():
    """The rows of the README's table: {name: (type, default)}."""
    part = README[README.index("### Settings") :]
    part = part[: part.index("\n### ", 10)]
    found = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| .+ \|$", part, re.MULTILINE)
    assert len(found) == len({name for name, _, _ in found})
    return {name: (kind, default) for name, kind, default in found}


def test_the_readme_lists_every_setting_with_its_type():
    assert rows().keys() == settings._SCHEMA.keys()
    for name, (kind, _) in rows().items():
        assert TYPES[kind] == settings._SCHEMA[name][0], name


def test_the_defaults_are_as_the_readme_says():
    found = settings.parse({"url": "https://h", "subject": "CN=x"})
    for name, (_, default) in rows().items():
        if name not in ("url", "trust", "credential"):
            wanted = None if default == "none" else json.loads(default.strip("`"))
            value = getattr(found, name) if name != "subject" else ""
            assert (list(value) if isinstance(wanted, list) else value) == wanted, name
    # The objects come apart into attributes of their own.
    assert not found.anchors and not found.implicit and found.fingerprint is None
    assert found.user is None and found.token is None and found.certificate is None


@pytest.fixture
def board(monkeypatch, tmp_path):
    """A simulated board's hardware modules, here."""
    monkeypatch.syspath_prepend(str(library.SHIM / "board"))
    monkeypatch.chdir(tmp_path)


def test_the_example_is_accepted_and_filled_in(board):
    found = settings.load(str(EXAMPLE))
    unique = Path("unique_id").read_bytes().hex()
    assert found.subject == f"O=Acme,CN=pump-{unique}"
    assert found.san == [f"dns:pump-02{unique[:10]}.example.com"]
    assert found.wifi["ssid"] == "factory" and found.max_wait is None


def test_every_setting_of_the_example_is_in_the_readme():
    assert json.loads(EXAMPLE.read_text()).keys() <= rows().keys()
