"""Whole boots from a littlefs image against the development server, with power cuts."""

import pytest
from boots import Board, cut_boots, settings_for
from commands import Servers, estctl
from estctl import interpreters, simulation


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    servers = Servers()
    yield servers.start(tmp_path_factory.mktemp("server"))
    servers.stop()


@pytest.fixture(params=["micropython", "micropython32"])
def interpreter(request):
    name = simulation.INTERPRETERS[request.param]
    if interpreters.find(name) is None:
        pytest.skip(interpreters.why_missing(name))
    return request.param


def test_a_first_boot_is_cut_and_the_next_one_enrols(server, interpreter, tmp_path, request):
    settings, stored = settings_for(server)
    whole = Board(tmp_path / "whole.img", settings, stored, interpreter).boot()
    assert whole.report["failure"] is None, whole.lines
    total = whole.report["flash_operations"]
    torture = request.config.getoption("--torture")
    positions = None if torture else sorted({1, total // 3, total - 4, total - 1, total})
    board = Board(tmp_path / "board.img", settings, stored, interpreter)
    found = cut_boots(board, positions, total)
    print(f"{interpreter}: {found}")
    assert found["old"] > 0 and found["new"] > 0
    assert found["cuts"] == 3 * len(positions or range(total))


def test_an_image_boots_as_a_folder_does_and_keeps_its_identity(server, interpreter, tmp_path):
    image = tmp_path / "board.img"
    at = [*server.at, *server.credential, "--subject", "CN=x"]
    options = ["--json", "--flash", image, "--interpreter", interpreter]
    first = estctl("device", *options, *at, "--out-cert", tmp_path / "c.pem")
    assert first.status == 0, first.err
    assert first.json["flash_operations"] > 10 and "key matches" in first.json["verified"]
    assert image.stat().st_size == 2 << 20 and (tmp_path / "c.pem").exists()
    assert image.stat().st_mode & 0o077 == 0, "its owner's alone"
    second = estctl("device", *options)
    assert second.status == 0 and second.json["serial"] == first.json["serial"], second.err
    assert second.json["flash_operations"] == 0, "a boot with nothing to do spares the flash"


def test_an_image_imports_nothing_from_where_estctl_is_started(
    server, interpreter, tmp_path, monkeypatch
):
    board = Board(tmp_path / "board.img", *settings_for(server), interpreter)
    (tmp_path / "time").mkdir()  # as a simulated time is often called
    (tmp_path / "ssl.py").write_text("raise ValueError")
    monkeypatch.chdir(tmp_path)
    went = board.boot()
    assert went.report and went.report["failure"] is None, went.lines


def test_a_power_cut_is_told_and_the_next_boot_goes_on(server, interpreter, tmp_path):
    options = ["--json", "--flash", tmp_path / "board.img", "--interpreter", interpreter]
    at = [*server.at, *server.credential, "--subject", "CN=x"]
    cut = estctl("device", *options, *at, "--power-cut-at", "12", "--power-cut-mode", "after")
    assert cut.status == 1 and "the power was cut at flash operation 12: " in cut.err
    late = estctl("device", *options, "--power-cut-at", "5000")
    assert late.status == 0 and "the power was not cut" in late.err
    assert f"ended after {late.json['flash_operations']} flash operations" in late.err


def test_an_approval_names_the_image(server, tmp_path):
    image = tmp_path / "board.img"
    done = estctl("device", "--flash", image, "--url", server.url)
    assert done.status == 3 and f"--flash {image} --approve {server.fingerprint}" in done.err


def test_a_power_cut_is_told_in_words_alone(server, tmp_path):
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    # In a small heap the collector finds the files that were open, and complains of each.
    options = ["--flash", tmp_path / "board.img", "--interpreter", "micropython32"]
    at = [*server.at, *server.credential, "--heap", "96k", "--power-cut-at", "37"]
    cut = estctl("device", *options, *at)
    assert "the power was cut at flash operation 37: " in cut.err
    assert "OSError" not in cut.err, cut.err


def test_a_power_cut_is_told_whatever_an_application_makes_of_it(server, tmp_path):
    app = "async def main(_):\n    try:\n        open('x', 'w').close()\n"
    app += "    except BaseException:\n        raise OSError(5)\n"
    board = Board(tmp_path / "board.img", *settings_for(server), app=app)
    assert board.boot().report["failure"] is None
    went = board.boot(power_cut=(1, "before"))
    assert went.report and went.report["failure"] == "PowerCut", went.lines


def test_what_is_no_image_and_what_cannot_use_one_are_clear_errors(server, tmp_path):
    at = [*server.at, *server.credential, "--subject", "CN=x"]
    (tmp_path / "nonsense.img").write_bytes(b"no littlefs")
    found = estctl("device", "--flash", tmp_path / "nonsense.img", *at)
    assert found.status == 1 and "nonsense.img cannot be used" in found.err
    found = estctl("device", "--flash", tmp_path / "a.img", *at, "--interpreter", "cpython")
    assert found.status == 2 and "CPython has no littlefs" in found.err
    found = estctl("device", "--flash", tmp_path / "folder", *at, "--power-cut-at", "1")
    assert found.status == 2 and "only where --flash is an image" in found.err
