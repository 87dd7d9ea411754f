"""A power cut at every flash operation of what the store does, on a real littlefs in memory."""

import json
import subprocess
from errno import EIO, ENOSPC

import pytest
from estctl import interpreters
from probing import HOST_TESTS

SCENARIOS = {"FirstEnrolment", "RenewalWithRekey", "AnchorRollover"}
HEAP = "2m"  # for the chip; the board's own heap is not what is tried here


def cuts(name, module, *errno):
    """Run the scenarios of a module in one interpreter; return what came of each."""
    program = interpreters.find(name)
    if program is None:
        pytest.skip(interpreters.why_missing(name))
    command = [program, "-X", f"heapsize={HEAP}", HOST_TESTS / "power/cut_everywhere.py"]
    done = subprocess.run(
        [str(part) for part in [*command, HOST_TESTS, module, *errno]],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Beside these MicroPython prints that it could not close what was open when the power failed.
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("name", ["unix", "unix32"])
def test_a_power_cut_anywhere_leaves_the_old_identity_or_the_new_one(name, capsys, tally):
    tally.subject = "power cuts"
    found = cuts(name, "store_scenarios")
    assert {each["name"] for each in found} == SCENARIOS
    with capsys.disabled():
        print(f"\n{name}: power cuts at every flash operation, before, torn and after:")
        for each in found:
            print(
                f"  {each['name']:16}  prog size {each['prog']:3}: {each['cuts']} cuts,"
                f" {each['old']} old, {each['new']} new, {each['lost']} lost"
            )
    for each in found:
        tally.tried += each["cuts"]
        tally.recovered += each["old"] + each["new"]
        tally.identities_lost += each["lost"]
        assert each["problems"] == [] and each["lost"] == 0
        assert each["cuts"] == 3 * each["operations"] == each["old"] + each["new"]
        assert each["old"] and each["new"], "the cuts are on both sides of the commit"


@pytest.mark.parametrize("name", ["unix", "unix32"])
def test_a_store_that_is_not_safe_is_found_out(name):
    in_place, two_files = cuts(name, "unsafe_scenarios")[::2]
    assert in_place["lost"] > 0 and "lost: ValueError" in in_place["problems"][0]
    assert two_files["lost"] > 0


@pytest.mark.parametrize(
    ("name", "errno"), [("unix32", ENOSPC), ("unix32", EIO), ("unix", ENOSPC)]
)
def test_flash_that_refuses_from_any_operation_on_is_told_and_costs_nothing(
    name, errno, torture, tally
):
    tally.subject = "full flash, no handles, DNS, radio"
    if (name, errno) != ("unix32", ENOSPC) and not torture:
        pytest.skip("only in make torture")
    found = cuts(name, "store_scenarios", errno)
    assert {each["name"] for each in found} == SCENARIOS
    for each in found:
        tally.tried += each["cuts"]
        tally.failed_cleanly += each["told"]
        tally.recovered += each["old"] + each["new"]
        tally.identities_lost += each["lost"]
        assert each["problems"] == []
        assert each["told"] == each["cuts"] == each["old"] + each["new"] == each["operations"]
        if errno == ENOSPC:
            assert all(text.endswith("the file system is full") for text in each["errors"]), each
    assert tally.nothing_lost()
