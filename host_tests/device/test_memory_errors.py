"""MemoryError at any line of the library, in CPython: the store stays whole, the next run goes on.

All lines (`--torture`) take about half an hour.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Servers
from estctl import simulation
from probing import HOST_TESTS

LEAST = 1000  # lines of the library that a run executes
SAMPLE = 2  # lines of each kind of run


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    servers = Servers()
    yield servers.start(tmp_path_factory.mktemp("server"))
    servers.stop()


@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("kind", ["first", "renewal"])
def test_memory_that_runs_out_at_any_line_costs_no_identity(
    server, kind, tmp_path, torture, tally
):
    tally.subject = "no memory"
    settings = {
        "url": server.url,
        "subject": "CN=device",
        "ntp": False,
        "trust": {"fingerprint": server.fingerprint},
        "credential": {
            "user": server.user,
            "password": Path(server.password_file).read_text().strip(),
            "keep": True,
        },
    }
    simulation.write_settings(tmp_path, settings, {})
    step = 1 if torture else LEAST // SAMPLE
    command = [sys.executable, HOST_TESTS / "device/memory_errors.py", tmp_path, kind, 7, step]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=4 * 3600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["lines"] > LEAST and found["tried"] >= SAMPLE
    tally.tried, tally.recovered = found["tried"], found["recovered"]
    tally.failed_cleanly = found["told"]
    tally.identities_lost, tally.hangs = len(found["lost"]), len(found["hangs"])
    tally.foreign_exceptions = len(found["foreign"])
    assert tally.nothing_lost(), {name: found[name] for name in ("lost", "hangs", "foreign")}
