"""A root gets a new key (RFC 4210 4.4) on a server that goes on: phase by phase, by SIGUSR1."""

import datetime
import os
import signal
import socket
import ssl
import subprocess
import sys

import pytest
from outside import (
    PATIENCE,
    anchor,
    enrolled,
    listed,
    loaded,
    path_failure,
    served_chain,
    signed_by,
    tls_failure,
    wait_for,
)


class Life:
    """A server that plays the rollover."""

    def __init__(self, server):
        self.server = server
        self.old = anchor(server)
        self.folder = server.folder / "rollover"
        self.new = loaded(self.folder / "new-root.pem")
        self.issuing = loaded(self.folder / "issuing.pem")
        self.new_issuing = loaded(self.folder / "new-issuing.pem")

    def advance(self, phase):
        os.kill(self.server.process.pid, signal.SIGUSR1)
        wait_for(self.server, f"phase {phase} of 0 to 2")


@pytest.fixture
def life(start):
    return Life(start("--scenario", "rollover"))


def test_the_old_root_is_about_to_end_and_names_the_new_one(life):
    today = datetime.datetime.now(datetime.timezone.utc)
    assert (life.old.not_valid_after_utc - today).days in (24, 25)
    assert (today - life.old.not_valid_before_utc).days in (339, 340)
    assert life.new.subject == life.old.subject and life.new.public_key() != life.old.public_key()
    assert life.new.not_valid_after_utc > today + datetime.timedelta(days=3650)


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_three_phases(start, desk, kind):
    life = Life(start("--scenario", "rollover", "--ca-key", kind))
    server, old, new = life.server, life.old, life.new
    assert "phase 0 of 0 to 2" in server.log
    assert set(listed(server, desk)) == {old, life.issuing}
    assert tls_failure(server, server.facts["anchors"]) is None
    assert path_failure(desk, old, [life.issuing], enrolled(server, desk)) is None
    mine = desk.enrolled(server, "/CN=lives through it")

    life.advance(1)
    shown = listed(server, desk)
    crossed = set(shown) - {old, new, life.issuing, life.new_issuing}
    (new_with_old,) = [ca for ca in crossed if ca.public_key() == new.public_key()]
    (old_with_new,) = [ca for ca in crossed if ca.public_key() == old.public_key()]
    assert len(shown) == 6 and signed_by(new_with_old, old) and signed_by(old_with_new, new)
    assert {ca.subject for ca in crossed} == {ca.issuer for ca in crossed} == {old.subject}
    certificate = enrolled(server, desk)
    assert signed_by(certificate, life.new_issuing)
    leaf, *above = served_chain(server)
    assert above == [life.new_issuing, new_with_old]
    for root in (old, new):  # both anchors verify both
        assert path_failure(desk, root, above, leaf) is None
        assert path_failure(desk, root, above, certificate) is None
    assert tls_failure(server, server.facts["anchors"]) is None
    assert tls_failure(server, life.folder / "new-root.pem") is None

    life.advance(2)
    assert set(listed(server, desk)) == {new, life.new_issuing}
    assert served_chain(server)[1:] == [life.new_issuing]
    assert tls_failure(server, server.facts["anchors"]) is not None
    assert tls_failure(server, life.folder / "new-root.pem") is None
    request = desk.request("/CN=lives through it")
    answer = server.curl("simplereenroll", "--insecure", *mine, data=request)
    assert answer.status == 200, "a certificate of the old CA is renewed"
    (renewed,) = map(loaded, desk.certificates(answer))
    assert path_failure(desk, new, [life.new_issuing], renewed) is None

    os.kill(server.process.pid, signal.SIGUSR1)
    wait_for(server, "phase 2 is the last one: no change")
    assert set(listed(server, desk)) == {new, life.new_issuing}


def test_who_is_connected_stays_so_and_sees_the_new_cacerts(life):
    context = ssl.create_default_context(cafile=life.server.facts["anchors"])
    request = b"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        socket.create_connection(("127.0.0.1", life.server.port), PATIENCE) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
        tls.makefile("rb") as answers,
    ):
        lengths = []
        for phase in (1, 2):
            tls.sendall(request)
            headers = iter(answers.readline, b"\r\n")
            (length,) = [int(x.split()[1]) for x in headers if x.startswith(b"Content-Length")]
            answers.read(length)
            lengths.append(length)
            life.advance(phase)
    assert lengths[1] > 2 * lengths[0]


def test_both_cas_are_kept(servers, life):
    assert life.server.stop() == 0
    again = Life(servers.start(life.server.folder, "--scenario", "rollover"))
    assert (again.old, again.new) == (life.old, life.new)
    assert (again.issuing, again.new_issuing) == (life.issuing, life.new_issuing)


def test_the_folders_own_ca_is_another(servers, life):
    assert life.server.stop() == 0
    ordinary = servers.start(life.server.folder)
    assert anchor(ordinary) not in (life.old, life.new)


def test_people_are_told_how_to_go_on(tmp_path):
    command = [sys.executable, "-m", "estctl.server", "--port", "0", "--dir", tmp_path]
    process = subprocess.Popen(
        [*command, "--scenario", "rollover"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = list(iter(process.stdout.readline, "Ctrl-C ends it. Requests:\n"))
    process.terminate()
    _, log = process.communicate(timeout=PATIENCE)
    assert f"  kill -USR1 {process.pid}\n" in lines
    assert "scenario rollover: phase 0 of 0 to 2: the old CA alone" in log
