"""Trust over the life of a simulated board: what a user sees, and what stays on flash."""

import json
import time

import pytest
import slots
from commands import estctl
from devid.store import IDENTITY, TIME, TRUST
from estctl import interpreters


def boot(flash, interpreter, *options, **more):
    arguments = ["--json", "--flash", flash, "--interpreter", interpreter]
    return estctl("device", *arguments, *options, **more)


class TestApproval:
    def test_a_person_approves_the_fingerprint_that_the_board_shows(
        self, server, interpreter, tmp_path
    ):
        flash = tmp_path / "flash"
        first = boot(flash, interpreter, "--url", server.url, *server.credential)
        assert first.status == 3, first.err
        assert first.json["candidate"]["fingerprint"] == server.fingerprint
        assert server.fingerprint in first.err and "identity.approve(" in first.err
        assert f"--approve {server.fingerprint})" in first.err
        again = boot(flash, interpreter)
        assert again.status == 3 and again.json["candidate"] == first.json["candidate"]
        done = boot(flash, interpreter, "--approve", server.fingerprint.upper())
        assert done.status == 0, done.err
        trust = done.json["trust"]
        assert (trust["store"], trust["origin"]) == ("explicit", "approved")
        assert trust["authorised_by"] == "explicit, name"
        assert boot(flash, interpreter).status == 0

    def test_another_fingerprint_is_not_approved(self, server, interpreter, tmp_path):
        flash = tmp_path / "flash"
        assert boot(flash, interpreter, "--url", server.url, *server.credential).status == 3
        wrong = boot(flash, interpreter, "--approve", "ab" * 32)
        assert wrong.status == 3 and "ab" * 32 in wrong.err and server.fingerprint in wrong.err
        assert boot(flash, interpreter, "--approve", "ab").status == 2
        assert boot(flash, interpreter).status == 3, "still nothing is trusted"

    def test_nothing_but_cacerts_is_asked_before_approval(
        self, servers, tmp_path_factory, tmp_path
    ):
        server = servers.start(tmp_path_factory.mktemp("approval"))
        done = boot(tmp_path / "f", "micropython", "--url", server.url, *server.credential)
        assert done.status == 3
        log = (server.folder / "log").read_text()
        assert log.count(" GET ") == 1 and "cacerts 200" in log and "POST" not in log


class TestTime:
    """A board without a battery boots in the past."""

    @pytest.fixture
    def enrolled(self, server, tmp_path):
        if not interpreters.can_fake_time("unix"):
            pytest.skip("only the interpreters of make setup have a clock that can be set")
        flash = tmp_path / "flash"
        assert boot(flash, "micropython", *server.at, *server.credential).status == 0
        return flash

    def test_it_is_not_earlier_than_the_beginning_of_its_certificate(self, enrolled):
        before = boot(enrolled, "micropython", faketime="@2026-06-01 00:00:00")
        assert before.status == 3 and "clock: the clock is not set" in before.err, before.err
        assert "it says 2026-06-01" in before.err and "is later than" in before.err
        assert boot(enrolled, "micropython").status == 0

    def test_a_wrong_time_that_was_kept_overrules_no_clock(self, enrolled):
        slots.change(enrolled, TIME, int(time.time() + 200 * 86400).to_bytes(5, "big"))
        assert boot(enrolled, "micropython").status == 0

    def test_it_is_not_earlier_than_the_beginning_of_an_anchor(self, enrolled):
        slots.change(enrolled, TIME, None)
        slots.change(enrolled, IDENTITY, None)
        before = boot(enrolled, "micropython", faketime="@2026-06-01 00:00:00")
        assert before.status == 3 and "clock: the clock is not set" in before.err, before.err


def test_lost_trust_is_established_anew_and_the_identity_kept(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    first = boot(flash, interpreter, *server.pinned, *server.credential)
    assert first.status == 0, first.err
    slots.change(flash, TRUST, b"damaged")
    again = boot(flash, interpreter)
    assert again.status == 0, again.err
    assert again.json["serial"] == first.json["serial"]
    assert again.json["trust"]["anchors"] == [server.fingerprint]
    assert "identity: trust anchors refreshed" in again.json["console"]


def test_damaged_trust_that_nothing_can_mend_is_told_once(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    assert boot(flash, interpreter, "--url", server.url, *server.credential).status == 3
    assert boot(flash, interpreter, "--approve", server.fingerprint).status == 0
    slots.change(flash, TRUST, b"damaged")
    again = boot(flash, interpreter)
    assert again.status == 0, again.err
    assert "no trust anchors" in again.json["verified"]
    console = again.json["console"]
    assert sum("trust on flash is damaged" in line for line in console) == 1, console
    assert again.json["trust"]["candidate"]["fingerprint"] == server.fingerprint


def test_a_folder_that_cannot_be_made_is_noticed_before_a_code_is_spent(
    server, interpreter, tmp_path
):
    flash = tmp_path / "flash"
    assert boot(flash, interpreter, *server.at, *server.credential).status == 0
    settings = json.loads((flash / "device.json").read_text())
    settings["storage"] = "no/such/folder"
    (flash / "device.json").write_text(json.dumps(settings))
    done = boot(flash, interpreter)
    assert done.status == 1 and "no/such/folder cannot be made" in done.err, done.err
    assert "simpleenroll" not in done.out + done.err


def test_options_that_would_be_passed_over_are_refused(server, tmp_path):
    flash = tmp_path / "flash"
    assert boot(flash, "micropython", *server.at, *server.credential).status == 0
    for options in (["--fingerprint", "00"], server.credential, ["--link", "optional"]):
        done = boot(flash, "micropython", *options)
        assert done.status == 2 and "only with --url" in done.err, options
    assert boot(flash, "micropython", "--heap", "abc").status == 2


def test_trust_without_an_identity_needs_no_second_bootstrap(server, interpreter, tmp_path):
    flash = tmp_path / "flash"
    options = [*server.pinned, *server.credential, "--keep-credential"]
    assert boot(flash, interpreter, *options).status == 0
    slots.change(flash, IDENTITY, None)
    again = boot(flash, interpreter)
    assert again.status == 0, again.err
    assert not any("unverified" in line for line in again.json["console"])
