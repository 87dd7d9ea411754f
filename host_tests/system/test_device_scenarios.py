"""A simulated board against every role of `estctl server --scenario` (RFC 7030 3.3, 3.6, 4.1).

What is refused is refused with one clear message, stores nothing, and gives no credential away.
"""

import hashlib
import json
import os
import signal
import time

import pytest
import slots
from commands import Server, estctl
from devid import trust as device_trust
from devid.store import Store


@pytest.fixture(scope="module")
def play(servers, tmp_path_factory):
    """Return a function that starts the server of a scenario once; several tests may use it."""
    started = {}

    def start(name, *options) -> Server:
        key = (name, *options)
        if key not in started:
            folder = tmp_path_factory.mktemp(name)
            started[key] = servers.start(folder, "--scenario", name, *options)
        return started[key]

    return start


class Board:
    """A new board; boot() is its first boot or the next one."""

    def __init__(self, interpreter, flash):
        self.interpreter, self.flash = interpreter, flash
        self.heap = []

    def boot(self, *options):
        arguments = ["--json", "--flash", self.flash, "--interpreter", self.interpreter]
        return estctl("device", *arguments, *self.heap, *options)

    @property
    def stored(self):
        folder = self.flash / "identity"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def board(interpreter, tmp_path):
    return Board(interpreter, tmp_path / "flash")


def seen(server, since=0):
    """What the EST server noted of requests and client certificates, from an entry on."""
    file = server.folder / "requests.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    noted = [json.loads(line) for line in lines]
    return [one for one in noted if not (one["path"] or "").endswith(".crl")][since:]


def gave_away(server, since=0):
    """Whether a request or handshake carried a credential."""
    noted = seen(server, since)
    return any(one.get("authorization") or one.get("client_certificate") for one in noted)


@pytest.mark.parametrize(
    "name", ["chain-1", "chain-2", "chain-3", "chain-4", "rsa-pss", "cmc-ra", "cmc-ra-cn"]
)
def test_what_is_right_is_accepted(play, board, name):
    server = play(name)
    done = board.boot(*server.pinned, *server.credential)
    assert done.status == 0, done.err
    assert done.json["trust"]["anchors"] == [server.fingerprint]
    expected = "explicit, id-kp-cmcRA" if name.startswith("cmc-ra") else "explicit, name"
    assert done.json["trust"]["authorised_by"] == expected


@pytest.mark.parametrize("ca_key", ["p384", "rsa2048"])
def test_a_long_chain_of_another_kind_of_key(play, board, ca_key):
    server = play("chain-4", "--ca-key", ca_key)
    done = board.boot(*server.at, *server.credential)
    assert done.status == 0, done.err
    assert len(done.json["chain"]) == 3


ENROL_CHAINS = {
    "intermediate-not-ca": "no path to a trust anchor",
    "path-length": "no path to a trust anchor",
    "name-constraints": "no path to a trust anchor",
    "unknown-critical": "no path to a trust anchor",
    "weak-key": "no path to a trust anchor",
    "weak-hash": "signatures with SHA-1 with RSA",
    "loop": "no path to a trust anchor",
}


@pytest.mark.parametrize("name", list(ENROL_CHAINS))
def test_an_issued_certificate_whose_chain_is_wrong(play, board, name):
    server = play(name)
    done = board.boot(*server.pinned, *server.credential, "--san", "dns:pump.example")
    assert done.status == 3 and ENROL_CHAINS[name] in done.err, done.out + done.err
    assert done.err.count("\n") == 1 and slots.identity(board.flash) is None


def test_a_ca_that_counts_for_nothing_is_named(play, board):
    server = play("weak-key")
    arguments = ["--flash", board.flash, "--interpreter", board.interpreter]
    done = estctl("device", *arguments, *server.pinned, *server.credential)
    assert done.status == 3 and "no path to a trust anchor" in done.err
    assert "cacerts: CN=weak CA: RSA keys of 1024 bits are not accepted" in done.err, done.err


def test_a_name_that_the_constraints_of_the_ca_permit(play, board):
    server = play("name-constraints")
    done = board.boot(*server.pinned, *server.credential, "--san", "dns:a.permitted.example")
    assert done.status == 0, done.err


SERVERS = {
    "wrong-host": "another host name",
    "no-cmc-ra": "another host name",
    "no-san": "no subjectAltName",
    "expired": "has expired",
    "not-yet-valid": "is it set?",
    "wrong-purpose": "",
    "weak-key-tls": " key",  # OpenSSL does not tell how long it is
    "weak-hash-tls": "SHA-1",
    "name-constraints-tls": "excluded",
    "unverifiable": "does not lead to a trust anchor",
    "mitm-relay": "does not lead to a trust anchor",
    "mitm-provisional": "does not lead to a trust anchor",
}


@pytest.mark.parametrize("name", list(SERVERS))
def test_a_server_that_cannot_be_verified_gets_nothing(play, board, name):
    server = play(name)
    before = len(seen(server))
    done = board.boot(*server.at, *server.credential)
    assert done.status == 3 and SERVERS[name] in done.err, done.out + done.err
    assert done.err.count("\n") == 1 and board.stored == []
    assert seen(server, before) == [], "it saw a request, or a credential"


def test_a_weak_signature_under_another_ca_is_told_beside_it(play, board):
    anchors = ["--anchors", play("chain-1").anchors]
    done = board.boot("--url", play("weak-hash-tls").url, *anchors)
    assert done.status == 3 and "does not lead to a trust anchor" in done.err
    # OpenSSL gives one reason, mbedTLS all.
    assert board.interpreter == "cpython" or "too weak a hash, such as SHA-1" in done.err, done.err


@pytest.mark.parametrize("name", ["wrong-host", "expired", "unverifiable", "mitm-relay"])
def test_after_a_provisional_connection_it_gets_no_credential_either(play, board, name):
    server = play(name)
    before = len(seen(server))
    done = board.boot(*server.pinned, *server.credential)
    assert done.status in (1, 3) and done.err.count("\n") == 1, done.out + done.err
    assert not gave_away(server, before) and board.stored == []
    assert {one["path"].rsplit("/", 1)[1] for one in seen(server, before)} <= {"cacerts"}


def test_a_challenge_of_a_server_that_is_not_verified_is_told_as_that(play, board):
    server = play("unverifiable")
    done = board.boot(*server.pinned, *server.credential)
    assert done.status == 1 and "not verified yet wants credentials" in done.err, done.err


def test_a_man_in_the_middle_of_the_provisional_connection(play, board):
    server = play("mitm-provisional")
    before = len(seen(server))
    done = board.boot(*server.pinned, *server.credential)
    assert done.status == 3 and server.fingerprint in done.err, done.out + done.err
    assert "the server sent" in done.err and board.stored == []
    assert not gave_away(server, before) and len(seen(server, before)) == 1


def test_a_redirect_of_cacerts_is_not_followed(play, board):
    server = play("redirect-cacerts")
    for trust in (server.pinned, server.at):
        done = board.boot(*trust, *server.credential)
        assert done.status == 1 and "plain HTTP never is" in done.err, done.out + done.err
    assert slots.identity(board.flash) is None


def test_64_unrelated_certificates_are_a_clear_error_within_the_boards_limit(play, board):
    server = play("wide-bag")
    for options, limit in (((), 32), (("--board", "RPI_PICO_W"), 8)):
        done = board.boot(*server.pinned, *server.credential, *options)
        assert done.status == 1, done.out + done.err
        assert f"more than {limit} certificates" in done.err or "larger than" in done.err


class TestStores:
    def test_a_tls_certificate_of_another_ca(self, play, board):
        server = play("other-tls-ca")
        first = ["--url", server.url, "--implicit", server.implicit, *server.credential]
        before = len(seen(server))
        done = board.boot(*first)
        assert done.status == 3 and "set keep_implicit" in done.err, done.out + done.err
        assert not gave_away(server, before)
        kept = board.boot(*first, "--keep-implicit")
        assert kept.status == 0, kept.err
        assert kept.json["trust"]["authorised_by"] == "implicit, name"
        assert kept.json["trust"]["anchors"] == [server.fingerprint]

    def test_its_ca_may_be_installed_as_an_explicit_anchor(self, play, board):
        server = play("other-tls-ca")
        done = board.boot("--url", server.url, "--anchors", server.implicit, *server.credential)
        assert done.status == 0, done.err
        assert done.json["trust"]["authorised_by"] == "explicit, name"
        assert server.fingerprint in done.json["trust"]["anchors"]

    def test_id_kp_cmc_ra_is_nothing_under_an_implicit_anchor(self, play, board):
        server = play("cmc-ra")
        before = len(seen(server))
        trust = ["--url", server.url, "--implicit", server.anchors]
        done = board.boot(*trust, *server.credential)
        assert done.status == 3 and "another host name" in done.err, done.out + done.err
        assert seen(server, before) == []


class TestKeyUpdate:
    def test_a_device_lives_through_a_rollover_of_its_ca(self, servers, board, tmp_path):
        server = servers.start(tmp_path / "server", "--scenario", "rollover")
        board.heap = ["--heap", "96k"] if board.interpreter == "micropython32" else []
        first = board.boot(*server.pinned, *server.credential)
        assert first.status == 0, first.err
        assert first.json["trust"]["anchors"] == [server.fingerprint]
        self.next_phase(server)  # old and new root, with the links between them
        second = board.boot()
        assert second.status == 0, second.err
        assert "identity: trust anchors refreshed" in second.json["console"]
        both = second.json["trust"]["anchors"]
        assert len(both) == 2 and server.fingerprint in both
        assert second.json["serial"] == first.json["serial"], "the identity is untouched"
        # The new TLS session was verified with the new anchors before they were kept.
        assert sum(line.startswith("connecting") for line in second.json["console"]) == 2
        self.next_phase(server)  # the old root has gone
        third = board.boot()
        assert third.status == 0, third.err
        last = self.refreshed(board).json["trust"]["anchors"]
        assert len(last) == 1 and last[0] in both and last[0] != server.fingerprint

    def test_a_device_that_missed_it_all_cannot_be_fooled(self, play, board, tmp_path_factory):
        server = play("forged-key-update")
        done = board.boot(*server.pinned, *server.credential)
        assert done.status == 3 and "key update of" in done.err, done.out + done.err
        assert board.stored == [] and not gave_away(server)

    def test_a_root_that_nobody_vouches_for_is_not_trusted(self, play, board):
        server = play("stranger-root")
        done = board.boot(*server.pinned, *server.credential)
        assert done.status == 0, done.err
        assert done.json["trust"]["anchors"] == [server.fingerprint]
        assert any("no anchor vouches for this root" in line for line in done.json["console"])

    def test_neither_is_one_of_the_old_name_nor_what_it_issues(self, play, board):
        server = play("unlinked-root")
        done = board.boot(*server.pinned, *server.credential)
        assert done.status == 3 and "no path to a trust anchor" in done.err, done.out + done.err
        assert slots.identity(board.flash) is None
        (anchor,) = device_trust.load(Store(str(board.flash / "identity"))).anchors
        assert hashlib.sha256(anchor).hexdigest() == server.fingerprint

    def next_phase(self, server):
        log = server.folder / "log"
        size = log.stat().st_size
        os.kill(server.pid, signal.SIGUSR1)
        for _ in range(100):
            if log.stat().st_size > size:
                return
            time.sleep(0.05)
        raise AssertionError("the server did not go on to the next phase")

    def refreshed(self, board):
        """Ask for a refresh now, whatever the dates say: as an application may."""
        (board.flash / "app.py").write_text(
            "async def main(identity):\n    print('changed', await identity.refresh())\n"
        )
        return board.boot()


class TestRevocation:
    def boot(self, play, board, name, policy):
        server = play(name)
        before = len(seen(server))
        done = board.boot(*server.at, *server.credential, "--revocation", policy)
        return server, before, done

    @pytest.mark.parametrize("name", ["crl-good", "crl-large"])
    @pytest.mark.parametrize("policy", ["soft", "hard"])
    def test_a_server_that_is_not_revoked(self, play, board, name, policy):
        _, _, done = self.boot(play, board, name, policy)
        assert done.status == 0, done.err

    @pytest.mark.parametrize("name", ["crl-revoked", "crl-revoked-issuing", "crl-large-revoked"])
    @pytest.mark.parametrize("policy", ["soft", "hard"])
    def test_a_revoked_one_gets_nothing(self, play, board, name, policy):
        server, before, done = self.boot(play, board, name, policy)
        assert done.status == 3 and "was revoked on" in done.err, done.out + done.err
        assert seen(server, before) == [] and board.stored == []

    def test_estctl_looks_a_pinned_server_up_too(self, play):
        server = play("crl-revoked")
        done = estctl("cacerts", *server.pinned, "--revocation", "soft")
        assert done.status == 3 and "was revoked on" in done.err, done.out + done.err

    @pytest.mark.parametrize("name", ["crl-missing", "crl-expired", "crl-forged", "crl-redirect"])
    def test_what_cannot_be_had_is_passed_over_or_refused(self, play, board, name):
        server, before, hard = self.boot(play, board, name, "hard")
        assert hard.status == 3, hard.out + hard.err
        assert seen(server, before) == [] and board.stored == []
        _, _, soft = self.boot(play, board, name, "soft")
        assert soft.status == 0, soft.err
        assert any("revo" in line for line in soft.json["console"])
