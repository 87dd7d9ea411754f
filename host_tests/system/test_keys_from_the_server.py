"""A key that the server makes: estctl and small boards against the development server."""

import stat

import board_app
import pytest
from commands import estctl, openssl
from probing import HOST_TESTS

KEK = bytes(range(32))
EC_KEY = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
# What the app of a small board loads and does; the numbers are its arguments.
APP = HOST_TESTS / "device" / "serverkeygen_app.py"


@pytest.fixture(scope="module")
def sealing(servers, tmp_path_factory):
    """A server that shares KEK with its clients, and the file of that key."""
    folder = tmp_path_factory.mktemp("sealing")
    (folder / "kek").write_text(KEK.hex() + "\n")
    return servers.start(folder / "server", "--key-encryption-key", str(folder / "kek"))


def keygen(server, folder, *options):
    files = ["--out-cert", folder / "c.pem", "--out-key", folder / "k.pem"]
    files += ["--out-ca", folder / "ca.pem"]
    at = [*server.at, *server.credential, "--subject", "O=Acme,CN=pump 7"]
    return estctl("serverkeygen", "--json", *at, *files, *options)


def check(folder):
    """The certificate chains to the root and is for the key, which only its owner can read."""
    openssl("verify", "-CAfile", folder / "ca.pem", folder / "c.pem")
    public = openssl("x509", "-in", folder / "c.pem", "-noout", "-pubkey")
    assert public == openssl("pkey", "-in", folder / "k.pem", "-pubout")
    assert stat.S_IMODE((folder / "k.pem").stat().st_mode) == 0o600


class TestEstctl:
    def test_a_key_protected_by_tls_alone(self, server, tmp_path):
        done = keygen(server, tmp_path, "--san", "dns:pump.example")
        assert done.status == 0, done.err
        assert done.json["subject"] == "O=Acme,CN=pump 7" and not done.json["key_encrypted"]
        check(tmp_path)
        text = openssl("x509", "-in", tmp_path / "c.pem", "-noout", "-text")
        assert "DNS:pump.example" in text

    @pytest.mark.parametrize("form", ["hex", "raw"])
    def test_a_key_encrypted_with_a_shared_key(self, sealing, tmp_path, form):
        (tmp_path / "kek").write_bytes(KEK if form == "raw" else KEK.hex().encode())
        with_key = ["--key-encryption-key", tmp_path / "kek", "--key-id", "aa:bb"]
        done = keygen(sealing, tmp_path, *with_key)
        assert done.status == 0, done.err
        assert done.json["key_encrypted"]
        check(tmp_path)
        assert KEK.hex() not in done.out + done.err + (sealing.folder / "log").read_text()

    def test_a_key_encrypted_to_ones_own_by_ecdh(self, server, tmp_path):
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "own.key")
        done = keygen(server, tmp_path, "--decrypt-key", tmp_path / "own.key")
        assert done.status == 0, done.err
        assert done.json["key_encrypted"]
        check(tmp_path)
        own = openssl("pkey", "-in", tmp_path / "own.key", "-pubout")
        assert own != openssl("pkey", "-in", tmp_path / "k.pem", "-pubout")

    def test_what_the_server_cannot_do_is_refused_by_it(self, server, sealing, tmp_path):
        (tmp_path / "kek").write_bytes(KEK[:16])
        with_key = ["--key-encryption-key", tmp_path / "kek", "--key-id", "aabb"]
        done = keygen(server, tmp_path, *with_key)
        assert done.status == 1 and "no key by that DecryptKeyIdentifier" in done.err
        done = keygen(sealing, tmp_path, *with_key)
        assert done.status == 1 and "of the shared key's size" in done.err
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "own.key")
        done = keygen(server, tmp_path, "--decrypt-key", tmp_path / "own.key", "--key-id", "01")
        assert done.status == 1 and "not of the request's own key" in done.err
        assert not (tmp_path / "k.pem").exists()

    def test_another_shared_key_than_the_servers(self, sealing, tmp_path):
        (tmp_path / "kek").write_bytes(KEK[::-1])
        with_key = ["--key-encryption-key", tmp_path / "kek", "--key-id", "aabb"]
        done = keygen(sealing, tmp_path, *with_key)
        assert done.status == 2 and "another key" in done.err
        assert not (tmp_path / "k.pem").exists()

    def test_wrong_usage(self, server, tmp_path):
        (tmp_path / "short").write_text("0011")
        openssl("genpkey", "-algorithm", "RSA", "-out", tmp_path / "rsa.key")
        openssl("genpkey", *EC_KEY, "-out", tmp_path / "own.key")
        for options in (
            ["--key-id", "aabb"],
            ["--key-encryption-key", tmp_path / "short"],
            ["--key-encryption-key", tmp_path / "short", "--key-id", "aabb"],
            ["--key-encryption-key", tmp_path / "missing", "--key-id", "aabb"],
            ["--decrypt-key", tmp_path / "rsa.key"],
            ["--decrypt-key", tmp_path / "own.key", "--key-id", "xy"],
            ["--decrypt-key", tmp_path / "own.key", "--key-encryption-key", tmp_path / "short"],
        ):
            done = keygen(server, tmp_path, *options)
            assert done.status == 2 and done.err, (options, done)
        at = [*server.at, *server.credential, "--subject", "CN=x"]
        done = estctl("serverkeygen", *at, "--out-cert", tmp_path / "c.pem")
        assert done.status == 2 and "--out-key" in done.err
        assert not (tmp_path / "c.pem").exists()


class TestSmallBoards:
    """The compiled library on a simulated board, in a heap of 96 KiB."""

    @pytest.mark.parametrize("name", ["unix", "unix32"])
    def test_a_plain_key(self, name, server, tmp_path):
        board_app.run(name, APP, server, tmp_path)

    @pytest.mark.parametrize("name", ["unix", "unix32"])
    def test_a_key_encrypted_with_a_shared_key(self, name, sealing, tmp_path):
        board_app.run(name, APP, sealing, tmp_path, kek=KEK.hex())

    @pytest.mark.parametrize("name", ["unix", "unix32"])
    def test_a_key_encrypted_by_ecdh(self, name, server, tmp_path):
        board_app.run(name, APP, server, tmp_path, ecdh=True)
