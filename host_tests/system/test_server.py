"""The development server, tried with curl and OpenSSL only: nothing of our client is in it."""

import os
import re
import signal
import socket
import subprocess

import pytest
from conftest import ESTCTL, estctl, openssl

EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def curl(server, path, *arguments, data=None, content_type="application/pkcs10"):
    """Return (status, head, body) of a request."""
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--include"]
    command += ["--cacert", server.anchors, *map(str, arguments)]
    if data is not None:
        command += ["--header", f"Content-Type: {content_type}", "--data-binary", "@-"]
    done = subprocess.run(
        [*command, f"{server.url}/.well-known/est/{path}"],
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


def login(server):
    with open(server.password_file) as file:
        return ["--user", f"{server.user}:{file.read().strip()}"]


def csr(folder, subject="/CN=pump", *more):
    """Return the base64 of a request by OpenSSL; its key is folder/key."""
    folder.mkdir(exist_ok=True)
    options = ["-subj", subject, "-keyout", folder / "key", "-out", folder / "csr", *more]
    openssl("req", "-new", *EC_KEY, *options)
    lines = (folder / "csr").read_text().splitlines()[1:-1]
    return "\n".join(lines).encode() + b"\n"


def certificates(body, folder):
    """Write the certificates of a certs-only body to folder/certs.pem, by OpenSSL."""
    wrapped = b"-----BEGIN PKCS7-----\n" + body + b"-----END PKCS7-----\n"
    (folder / "p7").write_bytes(wrapped)
    text = openssl("pkcs7", "-in", folder / "p7", "-print_certs")
    (folder / "certs.pem").write_text(text)
    return text.count("BEGIN CERTIFICATE")


def enrol(server, folder, *more):
    status, head, body = curl(
        server, "simpleenroll", *login(server), data=csr(folder, "/CN=pump", *more)
    )
    assert status == 200, body
    assert "application/pkcs7-mime; smime-type=certs-only" in head
    assert certificates(body, folder) == 1
    return folder / "certs.pem"


def test_cacerts(server, tmp_path):
    status, head, body = curl(server, "cacerts")
    assert status == 200 and "application/pkcs7-mime" in head
    assert certificates(body, tmp_path) == 2
    openssl("verify", "-CAfile", server.anchors, tmp_path / "certs.pem")
    printed = openssl("x509", "-in", server.anchors, "-noout", "-fingerprint", "-sha256")
    assert printed.strip().split("=")[1].replace(":", "").lower() == server.fingerprint


def test_simpleenroll_with_a_password(server, tmp_path):
    issued = enrol(server, tmp_path, "-addext", "subjectAltName=DNS:pump.example")
    openssl(
        "verify", "-CAfile", server.anchors, "-untrusted", server.folder / "issuing.pem", issued
    )
    assert "DNS:pump.example" in openssl("x509", "-in", issued, "-noout", "-text")


def test_simplereenroll_needs_the_certificate_itself(server, tmp_path):
    issued = enrol(server, tmp_path)
    mine = ["--cert", issued, "--key", tmp_path / "key"]
    again = csr(tmp_path / "other")  # another key: a rekey
    status, _, body = curl(server, "simplereenroll", *mine, data=again)
    assert status == 200, body
    other = csr(tmp_path / "other", "/CN=another")
    status, _, body = curl(server, "simplereenroll", *mine, data=other)
    assert status == 400 and b"must equal" in body
    status, _, _ = curl(server, "simplereenroll", *login(server), data=again)
    assert status == 403


def test_authentication(server, tmp_path):
    data = csr(tmp_path)
    status, head, _ = curl(server, "simpleenroll", data=data)
    assert status == 401 and "WWW-Authenticate: Basic" in head
    status, head, body = curl(server, "simpleenroll", "--user", "device:wrong", data=data)
    assert status == 401 and body == b"wrong user name or password\n"


@pytest.mark.parametrize(
    ("data", "content_type", "status", "text"),
    [
        (b"not base64!", "application/pkcs10", 400, b"not base64"),
        (b"AAAA\n", "application/pkcs10", 400, b"no PKCS #10"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n", "application/pkcs10", 400, b"without armour"),
        (b"AAAA\n", "text/plain", 415, b"application/pkcs10"),
        (b"A" * 100_000, "application/pkcs10", 413, b""),
    ],
)
def test_bodies_that_are_no_request(server, data, content_type, status, text):
    found, head, body = curl(
        server, "simpleenroll", *login(server), data=data, content_type=content_type
    )
    assert found == status and text in body and "text/plain" in head


def test_requests_that_get_no_certificate(server, tmp_path):
    for subject, more, text in (
        ("/CN=x", ["-addext", "basicConstraints=CA:TRUE"], b"no CA certificate"),
        ("/CN=x", ["-addext", "keyUsage=keyCertSign"], b"no keyCertSign"),
        ("/", [], b"neither a subject"),
    ):
        data = csr(tmp_path, subject, *more)
        status, _, body = curl(server, "simpleenroll", *login(server), data=data)
        assert status == 400 and text in body, body
    openssl("req", "-new", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=x", "-keyout",
            tmp_path / "k", "-out", tmp_path / "c")  # fmt: skip
    small = "\n".join((tmp_path / "c").read_text().splitlines()[1:-1]).encode()
    status, _, body = curl(server, "simpleenroll", *login(server), data=small)
    assert status == 400 and b"1024 bits" in body


def test_unknown_paths_and_methods(server):
    assert curl(server, "nothing")[0] == 404
    assert curl(server, "serverkeygen", data=b"")[0] == 404
    status, head, _ = curl(server, "cacerts", data=b"")
    assert status == 405 and "Allow: GET" in head


def test_labels(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--label", "factory", "--label", "a/b")
    assert curl(server, "factory/cacerts")[0] == 200
    assert curl(server, "a/b/cacerts")[0] == 200
    assert curl(server, "other/cacerts")[0] == 404


def test_anyone_may_enrol_where_so_set(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--auth", "none", "--days", "3")
    status, _, body = curl(server, "simpleenroll", data=csr(tmp_path))
    assert status == 200
    certificates(body, tmp_path)
    openssl("x509", "-in", tmp_path / "certs.pem", "-noout", "-checkend", 2 * 86400)


def test_required_client_certificates(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--require-client-cert")
    arguments = ["curl", "--silent", "--max-time", "20", "--cacert", server.anchors]
    done = subprocess.run([*arguments, f"{server.url}/.well-known/est/cacerts"], check=False)
    assert done.returncode != 0


def test_tls_versions(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--tls", "1.2")
    assert curl(server, "cacerts", "--tls-max", "1.2")[0] == 200
    arguments = ["curl", "--silent", "--max-time", "20", "--cacert", server.anchors, "--tlsv1.3"]
    done = subprocess.run([*arguments, f"{server.url}/.well-known/est/cacerts"], check=False)
    assert done.returncode == 35


def test_a_restart_keeps_ca_password_and_records(servers, tmp_path):
    first = servers.start(tmp_path / "server")
    issued = enrol(first, tmp_path)
    os.kill(first.pid, signal.SIGINT)
    second = servers.start(tmp_path / "server")
    assert second.fingerprint == first.fingerprint
    mine = ["--cert", issued, "--key", tmp_path / "key"]
    status, _, body = curl(second, "simplereenroll", *mine, data=csr(tmp_path / "other"))
    assert status == 200, body


def test_secrets_are_private_files_and_never_printed(server):
    with open(server.password_file) as file:
        password = file.read().strip()
    assert password not in (server.folder / "log").read_text()
    for path in server.folder.iterdir():
        if path.suffix == ".key" or path.name == "password":
            assert path.stat().st_mode & 0o077 == 0, path


def test_it_stays_on_loopback_unless_told_otherwise(tmp_path):
    done = estctl("server", "--host", "0.0.0.0", "--dir", tmp_path, "--port", "0")
    assert done.status == 2 and "--allow-remote" in done.err


def test_wrong_options_are_usage_errors(tmp_path):
    for options in (
        ["--auth", "digest"],
        ["--ca-key", "x"],
        ["--label", "cacerts"],
        ["--tls", "1.1"],
    ):
        done = estctl("server", "--dir", tmp_path / "s", "--port", "0", *options)
        assert done.status == 2 and done.err, options


def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = estctl("server", "--dir", tmp_path / "s", "--port", port)
    assert done.status == 1 and done.err.count("\n") == 1 and str(port) in done.err


def test_people_see_what_to_do_next(tmp_path):
    command = [*ESTCTL, "server", "--dir", str(tmp_path / "s"), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    while not lines or "Ctrl-C" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()
    text = "".join(lines)
    assert re.search(r"\n  fingerprint +[0-9a-f]{64}\n", text), "whole, to be copied"
    assert "password file" in text
