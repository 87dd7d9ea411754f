"""The kept corpus in each interpreter, with the heap of a small board.

They have to agree on what they read. Where they do not, EXPECTED says why that is right.
"""

import json
import subprocess

import pytest
from corpus import HOST_TESTS, files, strays
from estctl import interpreters
from targets import names, run
from work import counted

# The library and the targets are compiled on the fly here, which a board does not do; objects of
# the 64-bit port are twice as large.
HEAP = {"unix": "192k", "unix32": "96k"}
DEADLINE = 60  # seconds for all files of one target
# MicroPython's JSON has no rule about commas and colons, and no other depth than the heap's.
LAX = {"settings"}


@pytest.fixture(scope="module", params=["unix", "unix32"])
def program(request):
    found = interpreters.find(request.param)
    if found is None:
        pytest.skip(interpreters.why_missing(request.param))
    return [str(found), "-X", f"heapsize={HEAP[request.param]}"]


@pytest.mark.parametrize("name", names())
def test_the_corpus_in_cpython(name, tally):
    tally.subject = "parsers"
    for path in files(name):
        outcome = counted(name, path.read_bytes(), tally)
        tally.recovered += outcome == "parsed"
        tally.failed_cleanly += outcome != "parsed"
    assert tally.nothing_lost()


@pytest.mark.parametrize("name", names())
def test_micropython_reads_the_same(name, program, tmp_path, tally):
    tally.subject = "parsers"
    wanted = files(name)
    done = subprocess.run(
        [*program, str(HOST_TESTS / "fuzz/onboard.py"), str(HOST_TESTS), name],
        input="".join(f"{path}\n" for path in wanted),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=tmp_path,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    tally.tried += len(wanted)
    tally.foreign_exceptions += len(answers) < len(wanted)
    assert len(answers) == len(wanted), (wanted[len(answers)].name, done.stderr[-800:])
    for path, answer in zip(wanted, answers, strict=True):
        tally.recovered += answer["outcome"] == "parsed"
        tally.failed_cleanly += answer["outcome"] != "parsed"
        if name not in LAX:
            expected = run(name, path.read_bytes())
            assert (answer["outcome"], answer["digest"]) == expected, path.name
        assert answer["outcome"] != "MemoryError", path.name
    assert tally.nothing_lost()


def test_the_corpus_belongs_to_targets():
    assert not strays()
