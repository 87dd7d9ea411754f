"""One interpreter enrols and renews 10,000 times: neither its heap nor its handles are used up.

`make test` takes 16 runs. All of them (`--torture`) take about an hour on one core.
"""

import json
import subprocess
from pathlib import Path

import pytest
from commands import Servers
from estctl import interpreters, simulation
from estctl.mpy import UNIX_MARCH
from probing import HOST_TESTS

NAME = "unix32"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    servers = Servers()
    yield servers.start(tmp_path_factory.mktemp("server"))
    servers.stop()


@pytest.mark.timeout(4 * 3600)
def test_heap_and_handles_stay_as_they_are(server, tmp_path, torture, tally, capsys):
    tally.subject = "soak"
    program = interpreters.find(NAME)
    if program is None:
        pytest.skip(interpreters.why_missing(NAME))
    runs, every = (10000, 100) if torture else (16, 4)
    settings = {
        "url": server.url,
        "subject": "CN=soak",
        "ntp": False,
        "trust": {"fingerprint": server.fingerprint},
        "credential": {
            "user": server.user,
            "password": Path(server.password_file).read_text().strip(),
            "keep": True,
        },
    }
    simulation.write_settings(tmp_path, settings, {})
    simulation.prepare(tmp_path, "UNIX", True, UNIX_MARCH[NAME])
    command = [program, "-X", "heapsize=128k", HOST_TESTS / "device/soak.py"]
    command += [tmp_path / "lib", tmp_path, runs, every]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=4 * 3600,
        check=False,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert found and found[-1]["runs"] == runs, done.stdout[-500:] + done.stderr[-500:]
    tally.tried = tally.recovered = runs
    # The first enrolment and renewal bring names that stay; nothing may come after them.
    first, last = found[0], found[-1]
    grown = first["free"] - last["free"]
    tally.heap_growth_per_1000 = round(grown * 1000 / (last["runs"] - first["runs"]))
    with capsys.disabled():
        print(
            f"\n{NAME}: {runs} enrolments and renewals: {last['free']} bytes of heap are free,"
            f" {grown} less than after {first['runs']}; {last['handles']} handles,"
            f" {first['handles']} then"
        )
    assert grown <= 0 and last["handles"] <= first["handles"], found
    assert tally.nothing_lost() and tally.heap_growth_per_1000 <= 0
