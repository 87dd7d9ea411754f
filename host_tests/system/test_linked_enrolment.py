"""Linking identity and proof of possession (RFC 7030 3.5), and where it cannot be."""

import pytest
from commands import estctl, openssl

TLS = {"1.2": ("--tls", "1.2"), "1.3": ("--tls", "1.3"), "both": ()}


def enroll(server, folder, *options):
    files = ["--out-cert", folder / "dev.pem", "--out-key", folder / "dev.key"]
    what = [*server.credential, "--subject", "CN=x", *files, *options]
    return estctl("enroll", "--json", *server.at, *what)


class TestHost:
    def test_a_linked_request_is_taken_also_after_a_401(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", "--link", "require", *TLS["1.2"])
        done = enroll(server, tmp_path)
        assert done.status == 0, done.err
        mine = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
        done = estctl("reenroll", "--json", *server.at, *mine, "--out-cert", tmp_path / "2.pem")
        assert done.status == 0, done.err

    def test_a_linked_request_that_has_to_wait(self, servers, tmp_path):
        wait = ("--not-yet", "2", "--retry-after", "1")
        server = servers.start(tmp_path / "server", "--link", "require", *TLS["1.2"], *wait)
        done = enroll(server, tmp_path, "--max-wait", "30")
        assert done.status == 0, done.err

    def test_the_server_says_that_it_wants_the_link(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", "--link", "require")
        done = estctl("csrattrs", "--json", *server.at)
        assert done.json["attributes"] == ["challengePassword (1.2.840.113549.1.9.7)"]

    def test_without_tls_unique_a_demand_is_refused_before_the_request_is_sent(
        self, servers, tmp_path
    ):
        server = servers.start(tmp_path / "server", "--link", "require")  # TLS 1.3 is agreed on
        done = enroll(server, tmp_path)
        assert done.status == 2 and "csrattrs" in done.json["step"]
        assert "challengePassword" in done.json["error"] and "optional" in done.json["error"]
        log = (tmp_path / "server/log").read_text()
        assert "simpleenroll" not in log and not (tmp_path / "dev.key").exists()

    def test_optional_sends_it_unlinked_and_the_server_has_its_say(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", "--link", "require")
        done = enroll(server, tmp_path, "--link", "optional")
        assert done.status == 1 and "TLS 1.2" in done.json["error"], done.err

    def test_required_refuses_although_no_server_asks(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", *TLS["1.3"])
        assert enroll(server, tmp_path).status == 0
        done = enroll(server, tmp_path, "--link", "required", "--force")
        assert done.status == 2 and "the settings demand" in done.json["error"]

    def test_an_unlinked_request_is_refused(self, servers, tmp_path):
        server = servers.start(tmp_path / "server", "--link", "require", *TLS["1.2"])
        key = tmp_path / "own.key"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", tmp_path / "own.csr")
        csr = ["--csr", tmp_path / "own.csr", "--out-cert", tmp_path / "own.pem"]
        done = estctl("enroll", "--json", *server.at, *server.credential, *csr)
        assert done.status == 1 and "challengePassword is missing" in done.json["error"]
        done = estctl(
            "enroll", "--json", *server.at, *server.credential, *csr, "--link", "required"
        )
        assert done.status == 2 and "cannot be linked" in done.json["error"]

    def test_no_server_of_tls_1_3_alone_can_require_it(self, tmp_path):
        done = estctl(
            "server", "--dir", tmp_path / "s", "--port", "0", "--link", "require", *TLS["1.3"]
        )
        assert done.status == 2 and "TLS 1.2" in done.err


class TestDevice:
    def test_a_linked_request_is_made_anew_with_its_key_after_a_reboot(self, servers, tmp_path):
        wait = ("--not-yet", "1", "--retry-after", "1")
        server = servers.start(tmp_path / "server", "--link", "require", *TLS["1.2"], *wait)
        flash = ["--flash", tmp_path / "flash", "--interpreter", "cpython"]
        done = estctl("device", "--json", *server.pinned, *server.credential, *flash)
        while done.status == 4:  # "not yet", and then perhaps too early
            done = estctl("device", "--json", *flash)
        assert done.status == 0, done.err
        assert "asking again with the same key" in done.out

    @pytest.mark.parametrize("interpreter", ["cpython", "micropython", "micropython32"])
    def test_a_server_that_demands_the_link(self, servers, tmp_path, interpreter):
        server = servers.start(tmp_path / "server", "--link", "require", *TLS["1.2"])
        done = estctl(
            "device",
            "--json",
            *server.pinned,
            *server.credential,
            "--flash",
            tmp_path / "flash",
            "--interpreter",
            interpreter,
        )
        log = (tmp_path / "server/log").read_text()
        if interpreter == "cpython":
            assert done.status == 0, done.err
            return
        assert done.status != 0 and "challengePassword" in done.err
        assert '"optional"' in done.err and "simpleenroll" not in log

    @pytest.mark.parametrize("interpreter", ["cpython", "micropython", "micropython32"])
    def test_optional_in_the_settings_sends_it_unlinked(self, servers, tmp_path, interpreter):
        attributes = tmp_path / "attributes"
        attributes.write_bytes(bytes.fromhex("300b06092a864886f70d010907"))
        server = servers.start(tmp_path / "server", "--csrattrs", str(attributes))
        flash = ["--flash", tmp_path / "flash", "--interpreter", interpreter]
        done = estctl("device", "--json", *server.pinned, *server.credential, *flash)
        assert done.status != 0 and '"optional"' in done.err, done.err
        again = [*server.pinned, *server.credential, *flash, "--link", "optional"]
        done = estctl("device", "--json", *again)
        assert done.status == 0, done.err
