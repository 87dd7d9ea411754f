"""Boards and commands that wait for a server (RFC 7030 4.2.3), and that log in by HTTP."""

import json
import re
import time

import pytest
from commands import estctl
from estctl import interpreters


def boot(flash, interpreter, *options):
    return estctl("device", "--json", "--flash", flash, "--interpreter", interpreter, *options)


def connections(done):
    return [line for line in done.json["console"] if line.startswith("connecting")]


@pytest.fixture
def start(servers, tmp_path):
    return lambda *options: servers.start(tmp_path / "server", *options)


class TestNotYet:
    def test_a_reboot_neither_asks_too_early_nor_forgets(self, start, interpreter, tmp_path):
        server = start("--not-yet", "1", "--retry-after", "8")
        flash = tmp_path / "flash"
        first = boot(flash, interpreter, *server.pinned, *server.credential)
        until = time.time() + 8
        assert first.status == 4 and "not yet (202); try again in 8 s" in first.err, first.err
        assert 1 <= first.json["retry_after"] <= 8
        seen = (server.folder / "log").read_text()
        early = boot(flash, interpreter)
        assert early.status == 4 and "asked again in" in early.err, early.err
        assert (server.folder / "log").read_text() == seen, "the server was asked too early"
        time.sleep(max(0, until - time.time() + 1))
        late = boot(flash, interpreter)
        # The development server grants a request only when its subject and key come again.
        assert late.status == 0, late.err
        assert "pending: asking again with the same key" in late.json["console"]
        assert "key: generating P-256" not in late.json["console"]
        assert not (flash / "identity" / "pending.der").exists()

    def test_a_patient_board_goes_on_by_itself(self, start, interpreter, tmp_path):
        server = start("--not-yet", "2", "--retry-after", "1")
        done = boot(
            tmp_path / "flash", interpreter, *server.at, *server.credential, "--max-wait", "60"
        )
        assert done.status == 0, done.err
        waits = [line for line in done.json["console"] if line.endswith("; waiting 1 s")]
        assert len(waits) == 2, done.json["console"]

    def test_patience_ends(self, start, tmp_path):
        server = start("--not-yet", "9", "--retry-after", "2")
        flash = tmp_path / "flash"
        options = [*server.at, *server.credential, "--max-wait", "3"]
        done = boot(flash, "cpython", *options)
        assert done.status == 4, done.err
        assert json.loads((flash / "device.json").read_text())["max_wait"] == 3
        assert (server.folder / "log").read_text().count("waits for approval") == 2

    def test_a_later_boot_may_be_given_more_patience(self, start, interpreter, tmp_path):
        server = start("--not-yet", "1", "--retry-after", "2")
        flash = tmp_path / "flash"
        assert boot(flash, interpreter, *server.at, *server.credential).status == 4
        assert boot(flash, interpreter, "--max-wait", "30").status == 0

    def test_a_server_that_does_not_say_how_long(self, start, tmp_path):
        server = start("--not-yet", "1", "--retry-after", "-1")
        done = boot(tmp_path / "flash", "cpython", *server.at, *server.credential)
        assert done.status == 4, done.err
        assert 0 <= done.json["retry_after"] <= 60
        assert re.search("not yet .202.; next time in [0-9]+ s", done.err), done.err

    def test_another_subject_is_another_request(self, start, tmp_path):
        server = start("--not-yet", "1", "--retry-after", "600")
        flash = tmp_path / "flash"
        options = [*server.at, *server.credential]
        assert boot(flash, "cpython", *options, "--subject", "CN=a").status == 4
        again = boot(flash, "cpython", *options, "--subject", "CN=b")
        assert again.status == 4 and "try again in 600 s" in again.err, again.err

    def test_waiting_in_96_kib(self, start, tmp_path):
        if interpreters.find("unix32") is None:
            pytest.skip(interpreters.why_missing("unix32"))
        server = start("--not-yet", "1", "--retry-after", "1")
        options = [*server.pinned, *server.credential, "--heap", "96k", "--max-wait", "20"]
        done = boot(tmp_path / "flash", "micropython32", *options)
        assert done.status == 0, done.err

    def test_estctl_waits_as_long_as_it_may(self, start, tmp_path):
        server = start("--not-yet", "1", "--retry-after", "1")
        enroll = ["enroll", "--json", *server.at, *server.credential, "--subject", "CN=x"]
        files = ["--out-key", tmp_path / "k", "--out-cert", tmp_path / "c"]
        done = estctl(*enroll, *files)
        assert done.status == 4 and done.json["retry_after"] == 1, done.err
        # The key that waits is not given up for another one.
        assert estctl(*enroll, *files, "--max-wait", "9").status == 2
        assert estctl(*enroll, *files, "--max-wait", "9", "--key", tmp_path / "k").status == 0


def test_the_key_of_an_enrolment_that_waits_is_kept(start, tmp_path):
    server = start("--not-yet", "1", "--retry-after", "3")
    files = [*("--out-cert", tmp_path / "c.pem"), "--out-key", tmp_path / "k.pem"]
    wish = [*server.at, *server.credential, "--subject", "CN=pump"]
    done = estctl("enroll", *wish, *files)
    assert done.status == 4 and "ask again with --key" in done.err, done.err
    again = estctl("enroll", *wish, "--key", tmp_path / "k.pem", "--out-cert", tmp_path / "c.pem")
    assert again.status == 0, again.err


class TestHttpAuthentication:
    def test_a_first_boot_by_digest(self, start, interpreter, tmp_path):
        server = start("--auth", "digest")
        done = boot(tmp_path / "flash", interpreter, *server.pinned, *server.credential)
        assert done.status == 0, done.err
        assert len(connections(done)) == 2

    def test_a_first_boot_by_digest_in_96_kib(self, start, tmp_path):
        if interpreters.find("unix32") is None:
            pytest.skip(interpreters.why_missing("unix32"))
        server = start("--auth", "digest")
        options = [*server.pinned, *server.credential, "--heap", "96k"]
        done = boot(tmp_path / "flash", "micropython32", *options)
        assert done.status == 0, done.err

    def test_a_token(self, start, interpreter, tmp_path):
        server = start("--auth", "bearer")
        for more in ([], ["--token-at-once"]):
            flash = tmp_path / f"flash{len(more)}"
            options = [*server.at, "--token-file", server.password_file, *more]
            done = boot(flash, interpreter, *options)
            assert done.status == 0, done.err
            with open(server.password_file) as file:
                assert file.read().strip() not in done.out + done.err

    def test_the_commands_of_estctl(self, start, tmp_path):
        for auth in ("digest", "bearer"):
            server = start("--auth", auth)
            who = server.credential
            if auth == "bearer":
                who = ["--token-file", server.password_file]
            files = ["--out-key", tmp_path / auth, "--out-cert", tmp_path / "c"]
            done = estctl("enroll", *server.at, *who, "--subject", "CN=x", *files)
            assert done.status == 0, done.err

    def test_a_wrong_password(self, start, tmp_path):
        server = start("--auth", "digest")
        (tmp_path / "password").write_text("Wr0ngSecret\n")
        who = ["--user", "device", "--password-file", tmp_path / "password"]
        done = boot(tmp_path / "flash", "cpython", *server.at, *who)
        assert done.status == 1 and "refused user name and password" in done.err
        assert "Wr0ngSecret" not in done.out + done.err + (server.folder / "log").read_text()

    def test_a_password_is_for_the_first_certificate_alone(self, start, interpreter, tmp_path):
        server = start("--auth", "digest")
        flash = tmp_path / "flash"
        assert boot(flash, interpreter, *server.at, *server.credential).status == 0
        asked = (server.folder / "log").read_text().count(" 401 ")
        assert asked == 1
        # The trust is refreshed at the next boot, with the certificate and without the password.
        (flash / "app.py").write_text(
            "async def main(identity):\n    print('changed', await identity.refresh())\n"
        )
        again = boot(flash, interpreter)
        assert again.status == 0 and "changed False" in again.json["console"], again.out
        assert (server.folder / "log").read_text().count(" 401 ") == asked

    def test_what_makes_no_sense_is_a_usage_error(self, start, tmp_path):
        server = start("--auth", "none")
        (tmp_path / "token").write_text("t0ken\n")
        for options in (
            ["--token-at-once"],
            ["--token-file", tmp_path / "token", *server.credential],
            ["--allow-redirect", "https://h"],
        ):
            done = boot(tmp_path / "flash", "cpython", *server.at, *options)
            assert done.status == 2 and "t0ken" not in done.err, done.err
