"""The client against servers as they are: every profile of `estctl server --profile`.

No setting but what the server's data say that it needs: its URL, its trust, its credential.
"""

import itertools
import time

import pytest
from commands import estctl, openssl
from estctl.server.profiles import CATALOGUE

SERVERS = [name for name, data in CATALOGUE.items() if not data["about"].startswith("any server")]
HABITS = [name for name in CATALOGUE if name not in SERVERS]
numbers = itertools.count()


@pytest.fixture(scope="module")
def play(servers, tmp_path_factory):
    """Return a function that starts a profile's server, anew only where a code serves once."""
    started = {}

    def start(*names):
        once = any(CATALOGUE[name].get("one_time_password") for name in names)
        if once or names not in started:
            options = [part for name in names for part in ("--profile", name)]
            started[names] = servers.start(tmp_path_factory.mktemp(names[0]), *options)
        return started[names]

    return start


def trust(server):
    """What a client must be given: the CA's fingerprint, or two roots where TLS has its own."""
    return ["--anchors", server.trust] if server.trust else ["--fingerprint", server.fingerprint]


def credential(name, server):
    if server.bootstrap_key:
        return ["--cert", server.bootstrap_certificate, "--key", server.bootstrap_key]
    return [] if name == "openxpki" else server.credential


def boot(name, server, interpreter, flash):
    """Boot a board for the first time, and again where somebody has to approve."""
    options = ["--json", "--flash", flash, "--interpreter", interpreter]
    if interpreter == "micropython32":
        # Two trust anchors, and certificates that are checked beside an open connection.
        options += ["--heap", "96k"]
    subject = ["--subject", f"CN=pump-{next(numbers)}"]
    first = ["--url", server.url, *trust(server), *credential(name, server), *subject]
    done = estctl("device", *options, *first)
    if CATALOGUE[name].get("approvals"):
        assert done.status == 4 and "not yet (202)" in done.err, done.out + done.err
        time.sleep(1.1)  # its Retry-After
        done = estctl("device", *options)
    return done


@pytest.mark.parametrize("name", SERVERS)
def test_a_board_enrols_with_every_server(play, interpreter, tmp_path, name):
    server = play(name)
    done = boot(name, server, interpreter, tmp_path / "flash")
    assert done.status == 0, done.out + done.err
    assert done.json["trust"]["authorised_by"] == "explicit, name"


@pytest.mark.parametrize("name", HABITS)
def test_a_board_enrols_whatever_the_form_of_an_answer(play, tmp_path, name):
    done = boot(name, play(name), "micropython32", tmp_path / "flash")
    assert done.status == 0, done.out + done.err


@pytest.mark.parametrize("name", CATALOGUE)
def test_enrolling_and_renewing_from_the_host(play, tmp_path, name):
    server = play(name)
    at = ["--json", "--url", server.url, *trust(server)]
    mine = ["--out-cert", tmp_path / "dev.pem", "--out-key", tmp_path / "dev.key"]
    who = credential(name, server)
    new = ["--new-key", "--subject", f"CN=host-{next(numbers)}", "--max-wait", 5]
    done = estctl("enroll", *at, *who, *new, *mine)
    assert done.status == 0, done.err
    with_old = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
    again = estctl("reenroll", *at, *with_old, "--out-cert", tmp_path / "new.pem")
    assert again.status == 0, again.err
    assert again.json["subject"] == done.json["subject"] and again.json["chain_length"] == 1
    text = openssl("verify", "-show_chain", "-CAfile", server.anchors, *untrusted(tmp_path))
    assert text.count("depth=") == 3


def untrusted(folder):
    return ["-untrusted", folder / "new.pem", folder / "new.pem"]


def test_an_entrust_label_may_be_joined(play, tmp_path):
    server = play("entrust")
    base = server.url.removesuffix("/tenant/ca/profile")
    for label, status in (("tenant_ca_profile", 0), ("tenant/ca/profile", 0), ("tenant", 1)):
        at = ["--url", f"{base}/{label}", "--anchors", server.anchors]
        assert estctl("cacerts", *at).status == status, label


def test_several_profiles_are_all_of_their_quirks(play, tmp_path):
    names = ("entrust", "pem", "created", "untyped", "chunked", "root-first")
    done = boot("entrust", play(*names), "micropython32", tmp_path / "flash")
    assert done.status == 0, done.out + done.err


def test_a_code_that_serves_once(play, tmp_path):
    server = play("digicert")
    new = [*server.at, *server.credential, "--subject", "CN=x", "--out-key", tmp_path / "k"]
    new += ["--out-cert", tmp_path / "c"]
    assert estctl("enroll", *new).status == 0
    done = estctl("enroll", *new, "--force")
    assert done.status == 1 and "this code has been used" in done.err, done.err
