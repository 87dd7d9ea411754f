"""The rollover of a server's own CA, by --roll-over: seen by curl, OpenSSL and Python's TLS."""

import json
import os
import subprocess

import pytest
from estctl import interpreters
from estctl.server import EstServer, KeyKind, RollOver, Settings, SettingsError
from estctl.timeline import Timeline
from outside import (
    anchor,
    enrolled,
    listed,
    loaded,
    path_failure,
    served_chain,
    signed_by,
    tls_failure,
)


def renewed(desk, server, mine, subject):
    """Renew with a client certificate (curl's options); return the new one."""
    answer = server.curl(
        "simplereenroll", "--insecure", *mine, data=desk.request(f"/CN={subject}")
    )
    assert answer.status == 200, answer.body
    (path,) = desk.certificates(answer)
    return loaded(path)


@pytest.fixture
def again(servers, tmp_path):
    """Start the server of a folder, and end the one that ran before."""
    running = []

    def start(*options):
        if running:
            assert running.pop().stop() == 0
        running.append(servers.start(tmp_path / "server", *options))
        return running[-1]

    return start


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_a_rollover_from_begin_to_finish(again, desk, kind):
    server = again("--ca-key", kind)
    old, issuing = anchor(server), loaded(server.issuing)
    old_file = server.facts["anchors"]
    mine = desk.enrolled(server, "/CN=lives through it")
    assert listed(server, desk) == [old, issuing]

    server = again("--roll-over", "begin")
    assert "a rollover is under way" in server.log
    new, new_issuing = anchor(server), loaded(server.folder / "issuing-2.pem")
    assert new.subject == old.subject and new.public_key() != old.public_key()
    shown = listed(server, desk)
    crossed = set(shown) - {old, new, issuing, new_issuing}
    (new_with_old,) = [ca for ca in crossed if ca.public_key() == new.public_key()]
    (old_with_new,) = [ca for ca in crossed if ca.public_key() == old.public_key()]
    assert len(shown) == 6 and signed_by(new_with_old, old) and signed_by(old_with_new, new)
    assert new_with_old.not_valid_after_utc == old.not_valid_after_utc
    leaf, *above = served_chain(server)
    assert above == [new_issuing, new_with_old]
    certificate = enrolled(server, desk)
    for root in (old, new):  # both anchors verify both
        assert path_failure(desk, root, above, leaf) is None
        assert path_failure(desk, root, above, certificate) is None
    for file in (old_file, server.facts["anchors"]):
        assert tls_failure(server, file) is None
    assert signed_by(renewed(desk, server, mine, "lives through it"), new_issuing)

    server = again()  # it goes on, with the same certificates
    assert set(listed(server, desk)) == set(shown) and anchor(server) == new
    assert set(listed(again("--roll-over", "begin"), desk)) == set(shown), "it is begun already"

    server = again("--roll-over", "finish")
    assert "rollover" not in server.log
    assert listed(server, desk) == [new, new_issuing]
    assert served_chain(server)[1:] == [new_issuing]
    assert tls_failure(server, old_file) is not None
    assert tls_failure(server, server.facts["anchors"]) is None
    certificate = renewed(desk, server, mine, "lives through it")
    assert path_failure(desk, new, [new_issuing], certificate) is None
    assert listed(again(), desk) == [new, new_issuing]


def test_after_two_rollovers_the_first_certificates_may_still_renew(again, desk):
    mine = desk.enrolled(again(), "/CN=slept long")
    for step in ("begin", "finish", "begin", "finish"):
        server = again("--roll-over", step)
    third = loaded(server.folder / "root-3.pem")
    assert anchor(server) == third and listed(server, desk)[0] == third
    certificate = renewed(desk, server, mine, "slept long")
    assert (
        path_failure(desk, third, [loaded(server.folder / "issuing-3.pem")], certificate) is None
    )


def test_roots_and_what_is_below_them_last_as_long_as_is_said(tmp_path):
    def lives(folder, **settings):
        server = EstServer(Settings(folder, **settings))
        server.records.close()
        pairs = (server.authority.root, server.authority.issuing)
        return [
            (pair.certificate.not_valid_after_utc - pair.certificate.not_valid_before_utc).days
            for pair in pairs
        ]

    assert lives(tmp_path, root_days=100) == [100, 100]
    assert lives(tmp_path, root_days=200) == [100, 100], "it is made only once"
    assert lives(tmp_path, root_days=200, roll_over=RollOver.BEGIN) == [200, 200]


@pytest.fixture
def begun(tmp_path):
    folder = tmp_path / "server"
    EstServer(Settings(folder)).records.close()
    EstServer(Settings(folder, roll_over=RollOver.BEGIN)).records.close()
    return folder


def test_an_interrupted_begin_is_begun_again_with_what_there_is(begun):
    (begun / "ca.json").unlink()  # it is written last
    (begun / "issuing-2.pem").unlink()
    EstServer(Settings(begun)).records.close()
    root = loaded(begun / "root-2.pem")
    server = EstServer(Settings(begun, roll_over="begin", ca_key=KeyKind.P256))
    server.records.close()
    assert server.authority.root.certificate == root and server.authority.rolling_over


@pytest.mark.parametrize(
    "name", ["root.pem", "root-2.pem", "issuing-2.key", "issuing.pem", "links-2.pem"]
)
def test_a_lost_file_is_reported_and_nothing_replaced(begun, name):
    (begun / name).unlink()
    with pytest.raises(SettingsError, match=f"{name} is missing: restore it"):
        EstServer(Settings(begun))
    assert not (begun / name).exists()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"oldest": 1}', b'{"oldest": 2, "newest": 1}', b"\xff"]
)
def test_a_damaged_state_is_reported(begun, content):
    assert json.loads((begun / "ca.json").read_bytes()) == {"oldest": 1, "newest": 2}
    (begun / "ca.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"ca\.json is damaged"):
        EstServer(Settings(begun))


def test_damaged_links_are_reported(begun):
    (begun / "links-2.pem").write_bytes(b"nonsense")
    with pytest.raises(SettingsError, match=r"links-2\.pem is damaged"):
        EstServer(Settings(begun))


def test_what_cannot_be_is_one_clear_line(refused):
    status, text = refused("--roll-over", "finish")
    assert status == 2 and "no rollover to finish" in text and text.count("\n") == 1
    status, text = refused("--roll-over", "begin", "--scenario", "rollover")
    assert status == 2 and "has its own CAs" in text


_LOOK = """
import sys
from pathlib import Path
from estctl.server import EstServer, Settings
stage = EstServer(Settings(Path(sys.argv[1]), root_days=10, roll_over=sys.argv[2] or None))
stage = stage.authority.stage
print(len(stage.cacerts), stage.tls.chain_file.read_text().count("BEGIN"))
"""


def test_the_old_root_is_left_out_once_it_has_expired(tmp_path):
    time = Timeline(tmp_path / "time")
    python = interpreters.python_in(time.world)
    if python is None:
        pytest.skip("simulated time needs what `make setup` unpacks from Debian's packages")
    found = []
    for days, step in ((0, ""), (5, "begin"), (4, ""), (2, "")):
        time.advance(days * 86400)
        done = subprocess.run(
            [*python[0], "-c", _LOOK, tmp_path / "server", step],
            env={**os.environ, **python[1]},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert found == [["2", "2"], ["6", "3"], ["6", "3"], ["2", "2"]]
