"""Fuzzing of every parser: see targets.py for what they are, structures.py for what is valid."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

HOST_TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(path) for path in (HOST_TESTS.parent / "lib", HOST_TESTS / "shim/cpython")]

# Always the same examples, so that a failure is a change's and not the day's; coverage-guided
# search for new ones is `make fuzz`.
settings.register_profile(
    "parsers",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # what fails shows its octets; to shrink a seed makes no sense
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("parsers")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Let the targets that write files do so where nothing else is."""
    monkeypatch.chdir(tmp_path)
