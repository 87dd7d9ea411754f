"""The client commands of estctl: files, exit statuses, JSON, secrets."""

import json
import os
import resource
import ssl
import stat
import subprocess

import pytest
import trustme
import typer
from certs_only import certs_only, issue, request
from commands import ESTCTL, estctl, openssl
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    load_pem_private_key,
    pkcs12,
)
from estctl import files, options, output
from estctl.deploy import deploy
from probing import der
from scripted_server import ScriptedServer, response


def enroll(server, folder, *options, name="dev"):
    files = ["--out-cert", folder / f"{name}.pem", "--out-key", folder / f"{name}.key"]
    return estctl("enroll", "--json", *server.at, *server.credential, *files, *options)


def enrolled(server, folder, *options, name="dev"):
    done = enroll(server, folder, *options, name=name)
    assert done.status == 0, done.err
    return done.json


def public_of(certificate):
    return openssl("x509", "-in", certificate, "-noout", "-pubkey")


def openssl_key(path, *arguments):
    openssl("genpkey", *arguments, "-out", path)
    return path


EC_KEY = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def test_cacerts_by_each_kind_of_trust(server, tmp_path):
    for trust in (server.at, server.pinned):
        done = estctl("cacerts", "--json", *trust, "--out-ca", tmp_path / "ca.pem")
        assert done.status == 0, done.err
        assert len(done.json["certificates"]) == 2
        assert done.json["certificates"][0]["fingerprint"] == server.fingerprint
    text = (tmp_path / "ca.pem").read_text()
    assert text.count("BEGIN CERTIFICATE") == 2, "the file is replaced, not appended to"
    openssl("verify", "-CAfile", server.anchors, tmp_path / "ca.pem")


def test_anchors_in_der(server, tmp_path):
    openssl("x509", "-in", server.anchors, "-outform", "DER", "-out", tmp_path / "ca.der")
    done = estctl("cacerts", "--json", "--url", server.url, "--anchors", tmp_path / "ca.der")
    assert done.status == 0, done.err


def test_people_get_a_table(server):
    done = estctl("cacerts", *server.at)
    assert done.status == 0 and "CA certificates" in done.out and "issuing CA" in done.out
    assert "{" not in done.out and "None" not in done.out
    assert f"fingerprint  {server.fingerprint}\n" in done.out, "whole, to be copied"


def test_a_subject_in_brackets_is_shown_as_it_is(server, tmp_path):
    options = [*server.at, *server.credential, "--subject", "CN=[/bold] [red]x"]
    done = estctl("enroll", *options, "--out-key", tmp_path / "k", "--out-cert", tmp_path / "c")
    assert done.status == 0, done.err
    assert "CN=[/bold] [red]x" in done.out


def test_csrattrs(server, servers, tmp_path):
    assert estctl("csrattrs", "--json", *server.at).json == {"attributes": []}
    message = (
        b"MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjO"
        b"PQQDAw=="
    )
    (tmp_path / "attributes").write_bytes(message)
    other = servers.start(tmp_path / "server", "--csrattrs", str(tmp_path / "attributes"))
    done = estctl("csrattrs", "--json", *other.at)
    assert done.json["attributes"][0] == "challengePassword (1.2.840.113549.1.9.7)"


def test_enroll_with_a_new_key(server, tmp_path):
    found = enrolled(
        server,
        tmp_path,
        "--subject",
        "O=Acme,CN=pump 7",
        "--san",
        "dns:pump7.example, uri:urn:x:7",
        "--out-ca",
        tmp_path / "ca.pem",
    )
    assert found["subject"] == "O=Acme,CN=pump 7" and found["handshakes"] == 1
    openssl("verify", "-CAfile", tmp_path / "ca.pem", tmp_path / "dev.pem")
    assert public_of(tmp_path / "dev.pem") == openssl(
        "pkey", "-in", tmp_path / "dev.key", "-pubout"
    )
    assert stat.S_IMODE((tmp_path / "dev.key").stat().st_mode) == 0o600
    text = openssl("x509", "-in", tmp_path / "dev.pem", "-noout", "-text")
    assert "DNS:pump7.example, URI:urn:x:7" in text


def test_certificates_and_keys_go_to_files_alone(server, tmp_path):
    new = [*server.at, *server.credential, "--subject", "CN=x", "--out-key", tmp_path / "k"]
    new += ["--out-cert", tmp_path / "c"]
    for shown in ([], ["--json"]):
        done = estctl("enroll", *shown, *new, "--original-spec", "--force")
        assert done.status == 0 and "-----" not in done.out + done.err


@pytest.mark.parametrize("kind", [EC_KEY, ("-algorithm", "RSA")], ids=["ec", "rsa"])
def test_enroll_with_a_key_of_ones_own(server, tmp_path, kind):
    key = openssl_key(tmp_path / "own.key", *kind)
    out = tmp_path / "own.pem"
    options = [*server.at, *server.credential, "--key", key, "--subject", "CN=x"]
    done = estctl("enroll", "--json", *options, "--out-cert", out)
    assert done.status == 0, done.err
    assert public_of(out) == openssl("pkey", "-in", key, "-pubout")


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_enroll_with_a_request_of_openssl(server, tmp_path, form):
    key = openssl_key(tmp_path / "own.key", *EC_KEY)
    csr = tmp_path / "own.csr"
    openssl("req", "-new", "-key", key, "-subj", "/CN=from openssl", "-outform", form, "-out", csr)
    out = tmp_path / "own.pem"
    options = [*server.at, *server.credential, "--csr", csr, "--out-cert", out]
    done = estctl("enroll", "--json", *options)
    assert done.status == 0, done.err
    assert done.json["subject"] == "CN=from openssl"
    assert public_of(out) == openssl("pkey", "-in", key, "-pubout")


@pytest.mark.parametrize("command", ["enroll", "fullcmc", "serverkeygen"])
def test_a_key_that_is_there_is_not_overwritten_unasked(server, tmp_path, command):
    (tmp_path / "k").write_text("a key in use")
    options = [*server.at, *server.credential, "--subject", "CN=x", "--out-key", tmp_path / "k"]
    options += ["--out-cert", tmp_path / "c"]
    before = (server.folder / "log").read_text()
    done = estctl(command, *options)
    assert done.status == 2 and "--force" in done.err and done.err.count("\n") == 1, done.err
    assert (tmp_path / "k").read_text() == "a key in use"
    assert (server.folder / "log").read_text() == before, "nothing was asked"
    if command == "enroll":
        assert estctl(command, *options, "--force").status == 0
        again = [*options, "--key", tmp_path / "k"]  # its own key is no other one
        assert estctl(command, *again).status == 0


def test_a_client_certificate_as_credential(server, tmp_path):
    enrolled(server, tmp_path, "--subject", "CN=first")
    mine = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
    out = ["--out-cert", tmp_path / "second.pem", "--out-key", tmp_path / "second.key"]
    done = estctl(
        "enroll", "--json", *server.at, *mine, "--new-key", "--subject", "CN=second", *out
    )
    assert done.status == 0, done.err
    assert public_of(tmp_path / "second.pem") != public_of(tmp_path / "dev.pem")


def test_a_pkcs12_file_as_credential(server, tmp_path):
    enrolled(server, tmp_path, "--subject", "CN=first")
    certificate = x509.load_pem_x509_certificate((tmp_path / "dev.pem").read_bytes())
    key = load_pem_private_key((tmp_path / "dev.key").read_bytes(), None)
    encrypted = pkcs12.serialize_key_and_certificates(
        b"x", key, certificate, None, BestAvailableEncryption(b"p12 Secret")
    )
    (tmp_path / "dev.p12").write_bytes(encrypted)
    (tmp_path / "password").write_text("p12 Secret\n")
    mine = ["--p12", tmp_path / "dev.p12", "--p12-password-file", tmp_path / "password"]
    out = ["--out-cert", tmp_path / "again.pem"]
    done = estctl("reenroll", "--json", *server.at, *mine, *out)
    assert done.status == 0, done.err
    (tmp_path / "password").write_text("wrong Secret\n")
    done = estctl("reenroll", "--json", *server.at, *mine, *out)
    assert done.status == 2 and "Secret" not in done.out + done.err


def test_a_pkcs12_file_brings_what_stands_above_its_certificate(tmp_path):
    root = trustme.CA()
    upper = root.create_child_ca()
    lower = upper.create_child_ca()
    leaf = lower.issue_cert("x")
    own, *above, top = (
        x509.load_pem_x509_certificate(pem.bytes())
        for pem in (leaf.cert_chain_pems[0], lower.cert_pem, upper.cert_pem, root.cert_pem)
    )
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    held = [top, *reversed(above)], BestAvailableEncryption(b"p12 Secret")
    (tmp_path / "p12").write_bytes(pkcs12.serialize_key_and_certificates(b"x", key, own, *held))
    (tmp_path / "password").write_text("p12 Secret\n")
    who = options.credential(None, None, None, None, tmp_path / "p12", tmp_path / "password")
    chain = [it.public_bytes(Encoding.DER) for it in (own, *above)]
    assert [who.certificate, *who.intermediates] == chain


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ("--key: {0}/curve holds a key of a kind", ["enroll", "--key", "{0}/curve"]),
        ("--subject is not UTF-8", ["enroll", "--out-key", "{0}/k", "--subject", "CN=\udcff"]),
        ("--san is not UTF-8", ["enroll", "--out-key", "{0}/k", "--san", "dns:\udcff"]),
        ("--csr: {0}/no cannot be read", ["enroll", "--csr", "{0}/no"]),
        ("--csr is sent as it is", ["enroll", "--csr", "{0}/csr", "--subject", "CN=x"]),
        ("needs --p12", ["csrattrs", "--p12-password-file", "{0}/empty"]),
        ("--key needs --cert", ["csrattrs", "--key", "{0}/curve"]),
        ("--password-file: {0}/empty holds none", ["csrattrs", "--password-file", "{0}/empty"]),
        ("--token-file: {0}/empty holds none", ["csrattrs", "--token-file", "{0}/empty"]),
        (
            "--decrypt-key: {0}/no cannot be read",
            ["serverkeygen", "--out-key", "{0}/k", "--decrypt-key", "{0}/no"],
        ),
    ],
)
def test_wrong_input_is_told_in_a_line_before_anything_is_asked(server, tmp_path, told, arguments):
    openssl_key(tmp_path / "curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime239v1")
    (tmp_path / "empty").write_text("\n")
    at = ["--url", "https://127.0.0.1:1", "--anchors", server.anchors]
    given = [argument.format(tmp_path) for argument in arguments]
    if "--password-file" in given:
        given += ["--user", "device"]
    if given[0] != "csrattrs":
        given += ["--out-cert", tmp_path / "c"]
    done = estctl(*given, *at)
    assert done.status == 2 and told.format(tmp_path) in done.err, done.err
    assert done.err.count("\n") == 1


def test_the_mark_of_an_editor_is_no_part_of_a_password(tmp_path):
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfS3cret\r\n")
    assert files.read_secret(tmp_path / "password", "--password-file") == "S3cret"


def test_a_control_character_in_a_name_is_shown_escaped(server, tmp_path):
    key = openssl_key(tmp_path / "own.key", *EC_KEY)
    csr = tmp_path / "own.csr"
    openssl("req", "-new", "-key", key, "-subj", "/CN=a\x1b[31m,b", "-out", csr)
    options = [*server.at, *server.credential, "--csr", csr, "--out-cert", tmp_path / "c"]
    done = estctl("enroll", "--json", *options)
    assert done.status == 0 and done.json["subject"] == "CN=a\\1B[31m\\2Cb", done.err


def test_a_time_after_2038(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--root-days", "20000")
    (root,) = [
        found
        for found in estctl("cacerts", "--json", *server.at).json["certificates"]
        if found["subject"] == found["issuer"]
    ]
    shown = openssl("x509", "-in", server.anchors, "-noout", "-enddate", "-dateopt", "iso_8601")
    assert shown == f"notAfter={root['not_after']}\n" and root["not_after"] > "2080"
    assert output.when(253402300799) == "9999-12-31 23:59:59Z"


@pytest.mark.parametrize(
    ("now", "told"), [(0, "is not valid before"), (40000000000, "has expired at")]
)
def test_a_client_certificate_out_of_its_time(tmp_path, monkeypatch, capsys, now, told):
    pair = trustme.CA().issue_cert("x").private_key_and_cert_chain_pem
    pair.write_to_path(str(tmp_path / "pair"))
    who = options.credential(None, None, tmp_path / "pair", tmp_path / "pair", None, None)
    whom = options.Trust(anchors=[who.certificate])
    options.client("https://127.0.0.1:1", whom, who, print)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(options.unix_time, "now", lambda: now)
    options.client("https://127.0.0.1:1", whom, who, print)
    said = capsys.readouterr().err
    assert told in said and output.when(now) in said and said.count("\n") == 1


class TestStandardOutput:
    def run(self, *arguments, env=(), **more):
        command = [*ESTCTL, *(str(argument) for argument in arguments)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "", **dict(env)}  # as people have it
        more |= {"env": environment, "stderr": subprocess.PIPE}
        return subprocess.run(command, check=False, **more)

    def test_another_encoding(self, server, tmp_path):
        files = ["--out-cert", tmp_path / "c", "--out-key", tmp_path / "k"]
        new = [*server.at, *server.credential, "--subject", "CN=p\xfcmp", *files]
        environment = {"PYTHONIOENCODING": "ascii"}
        done = self.run("enroll", *new, env=environment, stdout=subprocess.PIPE)
        assert done.returncode == 0 and b"CN=p\\xfcmp\n" in done.stdout, done.stderr

    def test_a_full_disk(self, server, tmp_path):
        def full():
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

        for form in ([], ["--json"]):
            with open(tmp_path / "out", "wb") as out:
                asked = ["csrattrs", *server.at, *form]
                done = self.run(*asked, stdout=out, preexec_fn=full)
            said = done.stderr.decode().splitlines()
            assert done.returncode == 1, said
            assert said[-1] == "estctl: the result cannot be printed (File too large)"
            assert "Traceback" not in said[0]

    @pytest.mark.parametrize("asked", [["--help"], ["cacerts", "--help"], ["--version"]])
    def test_nobody_reads_it(self, asked):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as out:
            done = self.run(*asked, stdout=out)
        assert done.returncode == 1 and done.stderr == b""


class TestReenroll:
    def renew(self, server, folder, *options):
        mine = ["--cert", folder / "dev.pem", "--key", folder / "dev.key"]
        out = ["--out-cert", folder / "new.pem", *options]
        return estctl("reenroll", "--json", *server.at, *mine, *out)

    def test_with_the_old_key(self, server, tmp_path):
        old = enrolled(server, tmp_path, "--subject", "CN=pump", "--san", "dns:pump.example")
        done = self.renew(server, tmp_path)
        assert done.status == 0, done.err
        assert done.json["serial"] != old["serial"] and done.json["subject"] == "CN=pump"
        assert public_of(tmp_path / "new.pem") == public_of(tmp_path / "dev.pem")
        text = openssl("x509", "-in", tmp_path / "new.pem", "-noout", "-text")
        assert "DNS:pump.example" in text

    def test_with_a_new_key(self, server, tmp_path):
        enrolled(server, tmp_path, "--subject", "CN=pump")
        done = self.renew(server, tmp_path, "--rekey", "--out-key", tmp_path / "new.key")
        assert done.status == 0, done.err
        new = public_of(tmp_path / "new.pem")
        assert new == openssl("pkey", "-in", tmp_path / "new.key", "-pubout")
        assert new != public_of(tmp_path / "dev.pem")

    def test_a_certificate_of_another_ca(self, server, tmp_path):
        ca = trustme.CA()
        ca.issue_cert("x").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "dev.pem"))
        (tmp_path / "dev.key").write_bytes((tmp_path / "dev.pem").read_bytes())
        done = self.renew(server, tmp_path)
        assert done.status == 1 and done.err.count("\n") == 1, done.err


class TestExitStatuses:
    def test_refused_by_the_server(self, server, tmp_path):
        (tmp_path / "password").write_text("Wr0ngSecret\n")
        options = ["--user", "device", "--password-file", tmp_path / "password"]
        out = ["--out-key", tmp_path / "k", "--out-cert", tmp_path / "c"]
        done = estctl("enroll", "--json", *server.at, *options, "--subject", "CN=x", *out)
        assert done.status == 1 and done.json["exit_status"] == 1
        assert done.json["step"] == "simpleenroll" and "(401)" in done.err
        assert "Wr0ngSecret" not in done.out + done.err
        assert not (tmp_path / "k").exists()

    def test_no_server(self, server):
        done = estctl("cacerts", "--url", "https://127.0.0.1:1", "--anchors", server.anchors)
        assert done.status == 1 and "cacerts" in done.err and done.out == ""

    def test_wrong_usage(self, server, tmp_path):
        (tmp_path / "nothing").write_text("nothing")
        missing, nothing = tmp_path / "missing", tmp_path / "nothing"
        cert, key = ["--out-cert", tmp_path / "c"], ["--out-key", tmp_path / "k"]
        new = ["--subject", "CN=x", *cert, *key]
        for told, *arguments in (
            ("give one of", "cacerts", "--url", server.url),
            ("give one of", "cacerts", *server.at, "--fingerprint", server.fingerprint),
            ("fingerprint", "cacerts", "--url", server.url, "--fingerprint", "ab"),
            ("cannot be read", "cacerts", "--url", server.url, "--anchors", missing),
            ("no usable", "cacerts", "--url", server.url, "--anchors", nothing),
            ("https://", "cacerts", "--url", "ftp://x", "--anchors", server.anchors),
            ("No such option", "cacerts", "--no-such-option"),
            ("--out-key", "enroll", *server.at, *server.credential, "--subject", "CN=x", *cert),
            ("needs a subject", "enroll", *server.at, *server.credential, *cert, *key),
            ("PKCS #10", "enroll", *server.at, *server.credential, "--csr", nothing, *cert),
            ("belong together", "enroll", *server.at, "--user", "x", *new),
            ("no usable", "enroll", *server.at, "--cert", nothing, "--key", nothing, *new),
            ("no unencr", "enroll", *server.at, "--key", nothing, "--subject", "CN=x", *cert),
            ("certificate to renew", "reenroll", *server.at, *cert),
        ):
            done = estctl(*arguments)
            assert done.status == 2 and told in done.err, (arguments, done)
        assert not (tmp_path / "k").exists()

    @pytest.mark.parametrize("option", [["--subject", "CN=x,FOO=y"], ["--san", "ip:10.0.0.256"]])
    def test_names_that_make_no_request_are_noticed_before_anything_is_asked(
        self, server, tmp_path, option
    ):
        at = ["--url", "https://127.0.0.1:1", "--anchors", server.anchors]
        files = ["--out-cert", tmp_path / "c.pem", "--out-key", tmp_path / "k.pem"]
        for command in ("enroll", "serverkeygen", "fullcmc"):
            done = estctl(command, *at, *files, *option)
            assert done.status == 2 and done.err.count("\n") == 1, done.err
        enrolled(server, tmp_path, "--subject", "CN=old")
        mine = ["--cert", tmp_path / "dev.pem", "--key", tmp_path / "dev.key"]
        new = ["--new-" + option[0][2:], option[1]]
        done = estctl("reenroll", *at, *mine, *new, "--out-cert", tmp_path / "c.pem")
        assert done.status == 2 and "127.0.0.1" not in done.err, done.err

    def test_files_that_cannot_be_written_are_noticed_before_anything_is_asked(
        self, server, tmp_path
    ):
        before = (server.folder / "log").read_text()
        options = [*server.at, *server.credential, "--subject", "CN=x"]
        for path in (tmp_path, tmp_path / "no" / "k"):
            for option in ("--out-key", "--out-cert", "--out-ca"):
                done = estctl("enroll", *options, "--out-key", tmp_path / "k", option, path)
                assert done.status == 2 and "cannot be written" in done.err, done
        assert (server.folder / "log").read_text() == before
        assert list(tmp_path.iterdir()) == []

    def test_trust_that_cannot_be_established(self, server, tmp_path):
        done = estctl("cacerts", "--json", "--url", server.url, "--fingerprint", "ab" * 32)
        assert done.status == 3 and server.fingerprint in done.err
        done = estctl("cacerts", "--url", server.url, "--system-trust")
        assert done.status == 3 and "trust anchor" in done.err

    def test_not_yet(self, tmp_path):
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        key = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / "csr").write_bytes(request(key))
        root = certs_only(der(ca.cert_pem.bytes()))
        issued = certs_only(issue(ca, key.public_key()))
        later = response(b"", "202 Accepted", "", "Retry-After: 1")

        def script(connection):
            while sent := connection.read_request():
                posts = [other for other in connection.requests if other.body]
                if not sent.body:
                    connection.send(response(root))
                else:
                    connection.send(later if len(posts) < 3 else response(issued))

        for wait, status in ((0, 4), (1, 4), (30, 0)):
            with ScriptedServer(script, context) as server:
                url = f"https://127.0.0.1:{server.port}"
                trust = ["--url", url, "--anchors", tmp_path / "ca.pem"]
                options = ["--csr", tmp_path / "csr", "--out-cert", tmp_path / "c"]
                options += ["--max-wait", wait]
                done = estctl("enroll", "--json", *trust, *options)
            assert done.status == status, done.err
            bodies = {sent.body for sent in server.requests if sent.body}
            assert len(bodies) == 1, "the same request is sent again"


@pytest.mark.parametrize("command", ["enroll", "reenroll", "serverkeygen", "fullcmc"])
def test_help_is_whole_in_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = estctl(command, "--help").out
    assert "email:ADDRESS" in shown or command == "reenroll"
    assert "…" not in shown and "demanded|" not in shown


SETTINGS = {"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab" * 32}}
PSK = {"psk_identity": "x", "psk_key": "00" * 16}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (b"\xef\xbb\xbf" + json.dumps(SETTINGS).encode(), "byte order mark"),
        (json.dumps(SETTINGS).encode("utf-16"), "not UTF-8"),
        (b"[" * 5000, "not JSON"),
        (b'{"san": ' + b"[" * 900 + b"]" * 900 + b"}", "san is a list"),
        ({"max_wait": True}, "max_wait is"),
        ({"max_wait": -1}, "max_wait is"),
        ({"url": "https://h/b c"}, "url: label 'b c'"),
        ({"url": "https://h/cacerts"}, "url: label 'cacerts'"),
        ({"trust": {"fingerprint": "zz"}}, "trust: the fingerprint"),
        ({"trust": {"anchors": "a\0b"}}, "'a\\x00b', which has to be beside it"),
        ({"trust": {"anchors": "\ud800"}}, "'\\ud800', which has to be beside it"),
        ({"credential": {"user": "a:b", "password": "S3cret"}}, "credential: a user name"),
        ({"credential": {**PSK, "psk_key": "00"}}, "credential: a pre-shared key has 16"),
        ({"credential": {**PSK, "psk_identity": ""}}, "credential: the identity"),
    ],
)
def test_settings_that_a_board_would_refuse_are_not_deployed(tmp_path, capsys, values, text):
    content = values if isinstance(values, bytes) else json.dumps({**SETTINGS, **values}).encode()
    (tmp_path / "device.json").write_bytes(content)
    with pytest.raises(typer.Exit) as ended:
        deploy("/no/such/port", "RPI_PICO_W", tmp_path / "device.json")
    error = capsys.readouterr().err
    assert ended.value.exit_code == 2 and text in error and error.count("\n") == 1, error


def test_settings_that_a_board_takes_fail_at_the_port_alone(tmp_path, capsys):
    for credential in ({}, {"user": "x", "password": "S3cret"}, PSK, {"token": "S3cret"}):
        values = {**SETTINGS, "url": "https://h/a/b", "max_wait": 0, "credential": credential}
        (tmp_path / "device.json").write_text(json.dumps({**values, "san": ["dns:{mac}"]}))
        with pytest.raises(typer.Exit):
            deploy("/no/such/port", "RPI_PICO_W", tmp_path / "device.json")
        assert "--port /no/such/port cannot be opened" in capsys.readouterr().err


def test_help_names_every_command():
    done = estctl("--help")
    for command in (
        "server",
        "cacerts",
        "csrattrs",
        "enroll",
        "reenroll",
        "serverkeygen",
        "device",
    ):
        assert command in done.out
