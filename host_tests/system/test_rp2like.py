"""A whole first boot where TLS lives in the same heap as all else, as on a Pico W."""

import pytest
from commands import estctl
from estctl import interpreters
from setup import frozen
from setup.progress import SetupError, complaint

pytestmark = pytest.mark.timeout(600)  # the first one builds

HEAP = "104k"  # 96 KiB did each time it was tried


@pytest.fixture(scope="module", autouse=True)
def rp2like():
    """The interpreter is there."""
    try:
        frozen.provide_stock()
    except SetupError as error:
        pytest.skip(f"no rp2like: {complaint(error)}")


def boot(flash, heap, *more):
    command = ["device", "--json", "--flash", flash, "--interpreter", "rp2like"]
    return estctl(*command, "--board", "RPI_PICO_W", "--heap", heap, *more)


def test_a_first_boot_by_fingerprint_and_the_next_one(server, tmp_path):
    done = boot(tmp_path, HEAP, *server.pinned, *server.credential, "--subject", "CN=pump-7")
    assert done.status == 0, done.err
    assert done.json["subject"] == "CN=pump-7"
    assert done.json["verified"].startswith("key matches, chain leads to the CA")
    assert sum(line.startswith("connecting to ") for line in done.json["console"]) == 2
    again = boot(tmp_path, HEAP)
    assert again.status == 0, again.err
    assert "identity: unchanged" in again.json["console"]


def test_tls_takes_its_memory_from_this_heap(server, tmp_path):
    # unix32 enrols with as much: so the figure above is one with TLS in it.
    options = [*server.pinned, *server.credential]
    done = boot(tmp_path / "rp2like", "72k", *options)
    assert done.status == 1
    assert "memory" in done.json["error"]
    assert done.err.count("\n") == 1
    without = ["--flash", tmp_path / "unix32", "--interpreter", "micropython32", "--heap", "72k"]
    assert estctl("device", "--json", *without, *options).status == 0


def test_where_it_was_not_built_one_line_says_who_builds_it(monkeypatch, tmp_path):
    monkeypatch.setattr(interpreters, "FOLDER", tmp_path)
    assert interpreters.find("rp2like") is None
    assert "make bench" in interpreters.why_missing("rp2like")
