"""Set-up (tools/setup) and what finds its interpreters, without a network.

What set-up does with apt and pip is seen by running it on a bare machine; these tests hold what
it reads and decides.
"""

import hashlib
import os
import stat

import pytest
from estctl import interpreters
from setup import debian, progress

ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/k.gpg] http://mirror.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main
"""
DEB822 = """\
Types: deb
# a comment between the fields
URIs: http://mirror.example/debian
Suites: bookworm
  bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/k.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Enabled: no

Types: deb
URIs: http://vendor.example/packages
Suites: bookworm
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """An /etc/apt of our own, on a machine that is Debian 12."""
    (tmp_path / "sources.list.d").mkdir()
    monkeypatch.setattr(debian, "_ETC", tmp_path)
    monkeypatch.setattr(debian, "release", lambda: {"VERSION_CODENAME": "bookworm"})
    return tmp_path


def test_a_one_line_source_gives_its_mirror_and_keyring(apt):
    (apt / "sources.list").write_text(ONE_LINE)
    assert debian.mirrors() == [
        ("http://mirror.example/debian", ("signed-by=/usr/share/keyrings/k.gpg",))
    ]


def test_a_deb822_source_gives_its_mirror_and_keyring_and_debian_comes_first(apt):
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    assert debian.mirrors() == [
        ("http://mirror.example/debian", ("signed-by=/usr/share/keyrings/k.gpg",)),
        ("http://vendor.example/packages", ()),
    ]


def test_a_mirror_that_two_files_name_is_tried_once(apt):
    (apt / "sources.list").write_text("deb http://mirror.example/debian bookworm main\n")
    (apt / "sources.list.d/more.list").write_text(
        "deb http://mirror.example/debian bookworm contrib\n"
    )
    assert len(debian.mirrors()) == 1


def test_a_machine_without_a_debian_mirror_is_told_so(apt, tmp_path):
    with pytest.raises(progress.SetupError, match="no Debian mirror"):
        debian.fetch_from_mirrors(tmp_path, "trixie", "amd64", ["micropython"])


def archive(folder, package, digest):
    """A Debian archive that nobody has signed, with one package in it."""
    (folder / "dists/test/main/binary-all").mkdir(parents=True)
    size = len(package)
    control = "Package: made\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: x\n"
    (folder / "made_1_all.deb").write_bytes(package)
    lines = control + f"Filename: made_1_all.deb\nSize: {size}\nSHA256: {digest}\n"
    (folder / "dists/test/main/binary-all/Packages").write_text(lines)
    listed = lines.encode()
    entry = f" {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-all/Packages\n"
    head = "Suite: test\nCodename: test\nArchitectures: all\nComponents: main\nSHA256:\n"
    (folder / "dists/test/Release").write_text(head + entry)


@pytest.mark.skipif(not debian.available(), reason="no apt on this machine")
@pytest.mark.parametrize(
    ("options", "digest", "reason"),
    [
        ((), hashlib.sha256(b"a package").hexdigest(), "not signed"),
        (("trusted=yes",), hashlib.sha256(b"another one").hexdigest(), "Hash Sum mismatch"),
        (("trusted=yes",), hashlib.sha256(b"a package").hexdigest(), None),
    ],
)
def test_only_packages_that_a_signed_list_names_are_fetched(
    tmp_path, monkeypatch, options, digest, reason
):
    # Also on a machine that takes anything; `trusted` is its owner's word for one source.
    lax = "Acquire::AllowInsecureRepositories true; APT::Get::AllowUnauthenticated true;"
    (tmp_path / "apt.conf").write_text(lax)
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    archive(tmp_path / "mirror", b"a package", digest)
    mirror = debian.Mirror(f"copy:{tmp_path}/mirror", options)
    apt = debian.PrivateApt(tmp_path / "apt", mirror, "test", "amd64")
    if reason is None:
        (fetched,) = apt.fetch(["made"], dependencies=False)
        assert fetched.read_bytes() == b"a package"
    else:
        with pytest.raises(progress.SetupError, match=reason):
            apt.fetch(["made"], dependencies=False)


def test_a_failed_command_shows_the_end_of_its_output():
    with pytest.raises(progress.CommandError, match="status 3") as failure:
        progress.run(["sh", "-c", "echo 'E: the mirror is down'; exit 3"], deadline=10)
    assert progress.complaint(failure.value) == "the mirror is down"


def test_a_command_that_hangs_is_ended():
    with pytest.raises(progress.CommandError, match="longer than 1 s"):
        progress.run(["sleep", "60"], deadline=1)


def program(path, answer):
    """Write an executable that prints `answer`, as an interpreter under a probe would."""
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_the_variable_wins(tmp_path, monkeypatch):
    chosen = program(tmp_path / "mp", '["micropython", [1, 25, 0], 64]')
    monkeypatch.setenv("MICROPYTHON", str(chosen))
    assert interpreters.find("unix") == chosen
    assert not interpreters.can_fake_time("unix")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ('["micropython", [1, 22, 2], 64]', "is MicroPython 1.22.2, too old"),
        ('["circuitpython", [9, 0, 0], 64]', "is circuitpython, not MicroPython"),
        ("hello", "is not MicroPython"),
    ],
)
def test_a_chosen_program_that_cannot_serve_is_refused_by_name(
    tmp_path, monkeypatch, answer, reason
):
    chosen = program(tmp_path / "mp", answer)
    monkeypatch.setenv("MICROPYTHON", str(chosen))
    assert interpreters.find("unix") is None
    text = interpreters.why_missing("unix")
    assert reason in text
    assert f"MICROPYTHON={chosen}" in text


def test_a_32_bit_program_may_be_chosen_but_no_64_bit_one_as_unix32(tmp_path, monkeypatch):
    small = program(tmp_path / "mp32", '["micropython", [1, 25, 0], 32]')
    large = program(tmp_path / "mp64", '["micropython", [1, 25, 0], 64]')
    monkeypatch.setenv("MICROPYTHON", str(small))
    monkeypatch.setenv("MICROPYTHON32", str(large))
    assert interpreters.find("unix") == small
    assert interpreters.find("unix32") is None
    assert "is a 64-bit program" in interpreters.why_missing("unix32")


def test_a_chosen_program_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("MICROPYTHON32", "/nonexistent/micropython")
    assert interpreters.find("unix32") is None
    assert "does not start" in interpreters.why_missing("unix32")


def test_without_any_interpreter_the_text_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.delenv("MICROPYTHON32", raising=False)
    monkeypatch.setattr(interpreters, "FOLDER", tmp_path)
    assert interpreters.find("unix32") is None
    text = interpreters.why_missing("unix32")
    assert "make setup" in text
    assert "MICROPYTHON32=" in text


def test_one_on_the_path_serves_as_the_64_bit_one(tmp_path, monkeypatch):
    found = program(tmp_path / "micropython", '["micropython", [1, 25, 0], 64]')
    monkeypatch.delenv("MICROPYTHON", raising=False)
    monkeypatch.setattr(interpreters, "FOLDER", tmp_path / "none")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert interpreters.find("unix") == found


@pytest.mark.parametrize("name", ["unix", "unix32"])
def test_an_interpreter_of_set_up_shows_the_clock_that_it_is_given(name):
    if not interpreters.can_fake_time(name):
        pytest.skip(f"{name} is not the one of `make setup`, or is not here")
    program = interpreters.find(name)
    command = [str(program), "-c", "import time; print(time.gmtime(time.time())[:6])"]
    environment = {**os.environ, "EST_FAKETIME": "2000-01-01 00:00:05"}
    assert progress.run(command, deadline=20, env=environment) == "(2000, 1, 1, 0, 0, 5)\n"
