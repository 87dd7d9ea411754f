"""The README says what is true: its tests exist, its rows are complete, its commands are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
REQUIREMENTS = ROOT.parent / "shared" / "rfc" / "requirements.md"
ROWS = re.findall(
    r"^\| ([0-9][\w.]*-[\w.-]*) \| (yes|part|no|n/a) \| (.+) \|$", README, re.MULTILINE
)


def all_tests():
    """The names of all tests."""
    files = (ROOT / "host_tests").rglob("test_*.py")
    return set(re.findall(r"def (test_\w+)", "\n".join(path.read_text() for path in files)))


def test_every_test_that_it_names_exists():
    text = README + (ROOT / "SECURITY.md").read_text()
    assert set(re.findall(r"`(test_\w+)`", text)) <= all_tests()


def test_every_yes_names_a_test_or_says_why_none_is_needed():
    assert len(ROWS) > 80
    for name, state, text in ROWS:
        if state == "yes" and "`test_" not in text:
            assert len(text) > 20, name


def test_every_requirement_has_a_row():
    if not REQUIREMENTS.exists():
        pytest.skip("../shared/rfc is not here")
    wanted = re.findall(r"^\| ([0-9][\w.]*-[\w.-]*) \|", REQUIREMENTS.read_text(), re.MULTILINE)
    assert [name for name, _, _ in ROWS] == wanted


def test_every_option_that_it_shows_exists():
    for command in (
        "server",
        "cacerts",
        "csrattrs",
        "enroll",
        "reenroll",
        "serverkeygen",
        "fullcmc",
        "device",
        "firmware",
    ):
        shown = re.findall(rf"estctl {command} (?:[^\n]*\\\n)*[^\n]*", README)
        done = subprocess.run(
            [sys.executable, "-m", "estctl", command, "--help"],
            capture_output=True,
            text=True,
            env={"PATH": "/usr/bin:/bin", "COLUMNS": "200", "TERM": "dumb"},
            check=True,
        )
        for option in set(re.findall(r"--[a-z0-9-]+", " ".join(shown).split("#")[0])):
            assert option in done.stdout, (command, option)


def test_every_make_target_that_it_shows_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", README)):
        assert f"\n{target}:" in makefile, target
