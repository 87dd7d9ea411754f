"""What the commands of estctl keep, what they do not overwrite, and a key that has to wait."""

import base64
import os
import shutil
import signal
import ssl
import subprocess
import threading

import pytest
import trustme
from certs_only import certs_only, issue
from commands import ESTCTL, estctl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from est_errors import ConfigError
from estctl import files
from probing import der
from scripted_server import ScriptedServer, response

NOBODY = "https://127.0.0.1:1"  # who asks there ends with status 1, not 2
NOTHING = response(b"", "204 No Content", "")
LATER = response(b"", "202 Accepted", "", "Retry-After: 1")


class World:
    """A CA, an identity of it in dev.pem and dev.key, and what a server's answers are made of."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = trustme.CA()
        self.ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.root = certs_only(der(self.ca.cert_pem.bytes()))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert("127.0.0.1").configure_cert(self.context)
        key = ec.generate_private_key(ec.SECP256R1())
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "dev.key").write_bytes(octets)
        pem = ssl.DER_cert_to_PEM_cert(issue(self.ca, key.public_key()))
        (folder / "dev.pem").write_text(pem)
        self.mine = ["--cert", folder / "dev.pem", "--key", folder / "dev.key"]
        self.in_place = ["--out-cert", folder / "dev.pem", "--out-key", folder / "dev.key"]
        self.before = self.identity()

    def identity(self):
        return [(self.folder / name).read_bytes() for name in ("dev.pem", "dev.key")]

    def at(self, url=NOBODY):
        return ["--url", url, "--anchors", self.folder / "ca.pem"]

    def issued(self, sent):
        request = x509.load_der_x509_csr(base64.b64decode(sent.body))
        return response(certs_only(issue(self.ca, request.public_key())))

    def server(self, *answers):
        """A server that gives requests with a body these answers, and wants nothing in them."""
        rest = list(answers)

        def script(connection):
            while sent := connection.read_request():
                if not sent.body:
                    wants = "csrattrs" in sent.head
                    connection.send(NOTHING if wants else response(self.root))
                    continue
                answer = rest.pop(0)
                if answer is None:  # the server is lost
                    return
                connection.send(answer(sent) if callable(answer) else answer)

        return ScriptedServer(script, self.context)


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def url(server):
    return f"https://127.0.0.1:{server.port}"


def is_pair(cert, key):
    certificate = x509.load_pem_x509_certificate(cert.read_bytes())
    return certificate.public_key() == load_pem_private_key(key.read_bytes(), None).public_key()


class TestOutputs:
    def test_what_is_no_regular_file_is_refused(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "link").symlink_to("pipe")
        for name in ("pipe", "loop", "link", "n" * 300):
            with pytest.raises(ConfigError, match="cannot be written"):
                files.check_writable(tmp_path / name)

    def test_a_symbolic_link_is_followed(self, tmp_path):
        (tmp_path / "there").mkdir()
        for target in ("old", "new"):
            link = tmp_path / target
            link.symlink_to(f"there/{target}")
            (tmp_path / "there/old").write_text("old")
            files.check_writable(link)
            files.write_certificates(link, [b"x"])
            assert link.is_symlink() and "BEGIN" in (tmp_path / "there" / target).read_text()

    def test_one_that_cannot_be_written_leaves_all_as_they_were(self, tmp_path):
        (tmp_path / "k").write_text("old")
        new = files.NewFile(tmp_path / "k", b"new", 0o600)
        with pytest.raises(ConfigError, match=r"gone/c cannot be written \(No such file"):
            files.replace(new, files.NewFile(tmp_path / "gone/c", b"new", 0o644))
        assert (tmp_path / "k").read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["k"]

    @pytest.mark.parametrize(
        ("told", "outputs"),
        [
            ("for two files", {"cert": "x", "key": "sub/../x"}),
            ("for two files", {"cert": "x", "key": "link-to-x"}),
            ("for two files", {"cert": "c", "key": "k", "ca": "k"}),
            ("--out-cert would overwrite the file of --key", {"cert": "dev.key", "key": "k"}),
            ("--out-key would overwrite the file of --cert", {"cert": "c", "key": "dev.pem"}),
            ("overwrite the file of --anchors", {"cert": "ca.pem", "key": "k"}),
            ("overwrite the file of --cert", {"cert": "c", "key": "k", "ca": "dev.pem"}),
        ],
    )
    def test_no_file_is_written_for_two_purposes(self, world, tmp_path, told, outputs):
        (tmp_path / "sub").mkdir()
        (tmp_path / "link-to-x").symlink_to("x")
        out = [f"--out-{name}={tmp_path / path}" for name, path in outputs.items()]
        done = estctl("reenroll", *world.at(), *world.mine, "--rekey", "--force", *out)
        assert done.status == 2 and told in done.err and done.err.count("\n") == 1, done.err
        assert world.identity() == world.before

    def test_trust_may_be_refreshed_in_place(self, world, tmp_path):
        with world.server() as server:
            done = estctl("cacerts", *world.at(url(server)), "--out-ca", tmp_path / "ca.pem")
        assert done.status == 0, done.err

    @pytest.mark.parametrize("command", ["enroll", "reenroll", "serverkeygen", "fullcmc"])
    def test_a_certificate_that_is_not_kept(self, world, tmp_path, command):
        more = [] if command == "reenroll" else ["--subject", "CN=x"]
        new = [*world.at(), *world.mine, "--out-key", tmp_path / "k", *more]
        done = estctl(command, *new)
        assert done.status == 1 and "without --out-cert" in done.err, done.err

    def test_a_new_key_is_not_left_without_its_certificate(self, world):
        done = estctl("reenroll", *world.at(), *world.mine, "--rekey", *world.in_place[2:])
        assert done.status == 2 and "--out-cert" in done.err and done.err.count("\n") == 1
        assert world.identity() == world.before


class TestInPlace:
    def test_a_new_key_and_its_certificate(self, world, tmp_path):
        with world.server(world.issued) as server:
            done = estctl(
                "reenroll", *world.at(url(server)), *world.mine, "--rekey", *world.in_place
            )
        assert done.status == 0, done.err
        assert world.identity()[1] != world.before[1]
        assert is_pair(tmp_path / "dev.pem", tmp_path / "dev.key")

    def test_what_cannot_be_written_leaves_the_old_pair(self, world, tmp_path):
        (tmp_path / "gone").mkdir()

        def answer(sent):
            shutil.rmtree(tmp_path / "gone")
            return world.issued(sent)

        with world.server(answer) as server:
            out = [*world.in_place, "--out-ca", tmp_path / "gone/ca.pem"]
            done = estctl("reenroll", *world.at(url(server)), *world.mine, "--rekey", *out)
        assert done.status == 2 and "gone/ca.pem cannot be written" in done.err, done.err
        assert world.identity() == world.before

    def test_a_key_whose_certificate_stays_is_not_overwritten(self, world, tmp_path):
        out = ["--out-cert", tmp_path / "new.pem", "--out-key", tmp_path / "dev.key"]
        for command in (["reenroll", "--rekey"], ["enroll", "--new-key", "--subject", "CN=x"]):
            done = estctl(*command, *world.at(), *world.mine, *out)
            assert done.status == 2 and "--force" in done.err, done.err
        assert world.identity() == world.before

    def test_another_key_in_use_is_not_overwritten(self, world, tmp_path):
        (tmp_path / "other").write_text("a key in use")
        out = ["--out-cert", tmp_path / "dev.pem", "--out-key", tmp_path / "other"]
        for rekey in ([], ["--rekey"]):
            done = estctl("reenroll", *world.at(), *world.mine, *rekey, *out)
            assert done.status == 2 and "--force" in done.err, done.err
        assert (tmp_path / "other").read_text() == "a key in use"


class TestNotYet:
    """A new key is kept from the first 202 on."""

    def new(self, folder):
        return ["--subject", "CN=pump", "--out-cert", folder / "c", "--out-key", folder / "k"]

    def test_a_server_that_is_lost_meanwhile(self, world, tmp_path):
        with world.server(LATER, None) as server:
            new = [*world.at(url(server)), *self.new(tmp_path), "--max-wait", "9"]
            done = estctl("enroll", "--json", *new)
        assert done.status == 1, done.err
        assert f"; the key is kept: ask again with --key {tmp_path / 'k'}" in done.json["error"]
        load_pem_private_key((tmp_path / "k").read_bytes(), None)
        assert not (tmp_path / "c").exists()

    def test_ctrl_c(self, world, tmp_path):
        asked = threading.Event()

        def later(_):
            asked.set()
            return response(b"", "202 Accepted", "", "Retry-After: 60")

        with world.server(later) as server:
            new = [*world.at(url(server)), *self.new(tmp_path), "--max-wait", "99", "--json"]
            command = [*ESTCTL, "enroll", *(str(part) for part in new)]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
                assert asked.wait(20)
                while not (tmp_path / "k").exists():
                    assert process.poll() is None
                process.send_signal(signal.SIGINT)
                told = process.stderr.read()
                assert process.wait(20) == 130
        assert told == f"estctl: the key is kept: ask again with --key {tmp_path / 'k'}\n"

    def test_a_new_key_for_a_certificate_in_place(self, world, tmp_path):
        """The old key serves until the certificate of the new one is there."""
        pending = tmp_path / "dev.key.pending"
        with world.server(LATER, world.issued) as server:
            renew = ["reenroll", *world.at(url(server)), *world.mine, *world.in_place]
            done = estctl(*renew, "--rekey")
            assert done.status == 4 and f"--pending-key {pending}" in done.err, done.err
            assert world.identity() == world.before
            kept = pending.read_bytes()
            done = estctl(*renew, "--rekey")
            assert done.status == 2 and f"{pending} is there already" in done.err, done.err
            done = estctl(*renew, "--pending-key", pending)
        assert done.status == 0, done.err
        assert (tmp_path / "dev.key").read_bytes() == kept
        assert is_pair(tmp_path / "dev.pem", tmp_path / "dev.key") and not pending.exists()

    def test_a_new_key_beside_the_one_of_the_tls_client(self, world, tmp_path):
        new = [*world.mine, *self.new(tmp_path)]
        with world.server(LATER, world.issued) as server:
            at = world.at(url(server))
            done = estctl("enroll", *at, *new, "--new-key")
            assert done.status == 4, done.err
            assert f"ask again with --pending-key {tmp_path / 'k'}" in done.err
            done = estctl("enroll", *at, *new, "--pending-key", tmp_path / "k")
        assert done.status == 0, done.err
        assert is_pair(tmp_path / "c", tmp_path / "k")

    def test_one_key_is_enough(self, world, tmp_path):
        pending = ["--pending-key", tmp_path / "dev.key", "--out-cert", tmp_path / "c"]
        new = [*pending, "--subject", "CN=x"]
        for command in (
            ["enroll", *new, "--new-key"],
            ["enroll", *new, "--key", tmp_path / "dev.key"],
            ["enroll", *pending, "--csr", tmp_path / "csr"],
            ["reenroll", *world.mine, *pending, "--rekey"],
        ):
            done = estctl(*command, *world.at())
            assert done.status == 2 and done.err.count("\n") == 1, done.err
