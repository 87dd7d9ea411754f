"""That the development server really has the quirks of its profiles, seen by curl and raw TLS."""

import base64
import os
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from estctl.server import profiles

PROFILES = profiles.CATALOGUE
PREFIX = "/.well-known/est/"


@pytest.fixture(scope="module")
def play(servers, tmp_path_factory):
    """Return a function that starts a profile's server; the tests of this file share it."""
    running = {}

    def start(*names, options=()):
        key = (names, options)
        if key not in running:
            given = [part for name in names for part in ("--profile", name)]
            running[key] = servers.start(tmp_path_factory.mktemp(names[0]), *given, *options)
        return running[key]

    return start


class Raw:
    """A TLS connection on which requests are written as they are, and records are told apart."""

    def __init__(self, server, **options):
        context = ssl.create_default_context(cafile=server.facts.get("trust", anchors(server)))
        if "alpn" in options:
            context.set_alpn_protocols(options["alpn"])
        port = int(server.url.split(":")[2].split("/")[0])
        self.tls = context.wrap_socket(
            socket.create_connection(("127.0.0.1", port), 20), server_hostname="127.0.0.1"
        )

    def ask(self, method, path, *lines, body=b""):
        head = [f"{method} {PREFIX}{path} HTTP/1.1", "Host: x", *lines]
        if body and not any("chunked" in line for line in lines):
            head.append(f"Content-Length: {len(body)}")
        self.tls.sendall("\r\n".join([*head, "", ""]).encode() + body)

    def records(self, patience=0.5):
        """Return what arrives until it is quiet, record by record, and whether it has closed."""
        self.tls.settimeout(patience)
        found = []
        try:
            while data := self.tls.recv(16384):
                found.append(data)
        except TimeoutError:
            return found, False
        return found, True

    def answer(self):
        """Return (status, header lines as they came, body, whether it has closed)."""
        records, closed = self.records()
        head, _, body = b"".join(records).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        return int(first.split()[1]), lines, body, closed


def anchors(server):
    return str(server.facts["anchors"])


def names(lines):
    return [line.partition(":")[0] for line in lines]


def got(play, profile, path="cacerts", method="GET", *lines, body=b""):
    raw = Raw(play(profile))
    raw.ask(method, path, *lines, body=body)
    return raw.answer()


POST = ("Content-Type: application/pkcs10",)


def basic(server, password=None):
    with open(str(server.facts["password_file"])) as file:
        secret = password or file.read().strip()
    pair = f"{server.facts['user']}:{secret}".encode()
    return f"Authorization: Basic {base64.b64encode(pair).decode()}"


def test_the_list_has_a_line_each():
    done = subprocess.run(
        [sys.executable, "-m", "estctl.server", "--list-profiles"], capture_output=True, check=True
    )
    lines = done.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines] == list(PROFILES)
    for line, data in zip(lines, PROFILES.values(), strict=True):
        assert line.endswith(data["about"]) and data["notes"]


def test_an_unknown_name(refused):
    status, text = refused("--profile", "cisco")
    assert status == 2 and "no profile 'cisco'; there are libest, " in text


def test_the_json_line_and_the_log_name_them(play):
    server = play("entrust", "chunked")
    assert server.facts["profile"] == "entrust,chunked"
    assert str(server.facts["url"]).endswith("/tenant/ca/profile")
    assert " profile entrust: Entrust" in server.log and " profile chunked: any" in server.log


class TestWriting:
    def test_base64_in_lines_of_64_or_76_or_one(self, play):
        for profile, width, end in (("libest", 64, b"\n"), ("crlf", 76, b"\r\n")):
            body = got(play, profile)[2]
            lines = body.split(end)
            assert {len(line) for line in lines[:-2]} == {width} and lines[-1] == b""
        assert b"\n" not in got(play, "globalsign")[2]
        assert got(play, "globalsign")[2].endswith(b"  ")

    def test_a_nul_after_csrattrs(self, play):
        assert got(play, "libest", "csrattrs")[2].endswith(b"\n\0")

    def test_bare_der_and_pem(self, play):
        der = got(play, "bare-der")[2]
        assert len(pkcs7.load_der_pkcs7_certificates(der)) == 2
        pem = got(play, "pem")[2]
        assert pem.startswith(b"-----BEGIN PKCS7-----\n")
        assert len(pkcs7.load_pem_pkcs7_certificates(pem)) == 2
        found = x509.load_pem_x509_certificates(got(play, "pem-certificates")[2])
        assert found[-1].subject == found[-1].issuer

    def test_status_and_content_type(self, play):
        assert got(play, "created")[0] == 201
        assert "Content-Type" not in names(got(play, "untyped")[1])
        lines = got(play, "odd-types")[1]
        assert any(line.startswith("CONTENT-TYPE: Application/Pkcs7-Mime ;") for line in lines)

    def test_header_names_in_lower_case_and_extra_headers(self, play):
        lines = names(got(play, "globalsign")[1])
        assert lines and all(name == name.lower() for name in lines)
        assert "Status: 200 OK" in got(play, "libest")[1]

    def test_framing(self, play):
        _, lines, body, closed = got(play, "chunked")
        assert "Transfer-Encoding: chunked" in lines and body.endswith(b"\r\n0\r\n\r\n")
        assert not closed
        _, lines, _, closed = got(play, "until-close")
        assert closed and not {"Content-Length", "Transfer-Encoding"} & set(names(lines))

    def test_head_and_body_in_records_of_their_own(self, play):
        raw = Raw(play("libest"))
        raw.ask("GET", "cacerts")
        records, closed = raw.records()
        assert len(records) == 2 and records[0].endswith(b"\r\n\r\n") and not closed

    @pytest.mark.filterwarnings("ignore:PKCS#7")  # the order is not DER's
    def test_the_order_of_certificates(self, play):
        def subjects(profile):
            der = base64.b64decode(got(play, profile)[2])
            starts = []
            for certificate in pkcs7.load_der_pkcs7_certificates(der):
                self_signed = certificate.subject == certificate.issuer
                starts.append((der.find(certificate.tbs_certificate_bytes), self_signed))
            return [self_signed for _, self_signed in sorted(starts)]

        assert subjects("root-first") == [True, False]
        assert subjects("libest") == [False, True]
        assert subjects("globalsign") == [False]
        assert subjects("ejbca") == [True]


class TestRefusing:
    def test_401_closes_without_saying_so(self, play, desk):
        body = desk.request("/CN=x")
        status, lines, _, closed = got(play, "libest", "simpleenroll", "POST", *POST, body=body)
        assert status == 401 and closed and "Connection" not in names(lines)
        assert "WWW-Authenticate" in names(lines)

    def test_401_for_wrong_credentials_has_no_challenge(self, play, desk):
        wrong = basic(play("libest"), "wrong")
        asked = ("simpleenroll", "POST", *POST, wrong)
        status, lines, _, closed = got(play, "libest", *asked, body=desk.request("/CN=x"))
        assert status == 401 and closed and "WWW-Authenticate" not in names(lines)

    def test_202_without_a_length_and_closed(self, play, desk):
        asked = ("simpleenroll", "POST", *POST, basic(play("libest-manual")))
        body = desk.request("/CN=waiting")
        status, lines, rest, closed = got(play, "libest-manual", *asked, body=body)
        assert (status, rest, closed) == (202, b"", True)
        assert "Retry-After: 1" in lines
        assert not {"Content-Length", "Connection"} & set(names(lines))
        time.sleep(0.1)
        assert got(play, "libest-manual", *asked, body=body)[0] == 200

    def test_bodies_that_libest_does_not_take(self, play, desk):
        right = desk.request("/CN=x")
        bare = right.replace(b"\n", b"")
        asked = ("simpleenroll", "POST", *POST, basic(play("libest")))
        for body, status in ((right, 200), (bare + b"\n", 200), (bare, 400)):
            assert got(play, "libest", *asked, body=body)[0] == status
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(right), right)
        asked = (*asked, "Transfer-Encoding: chunked")
        assert got(play, "libest", *asked, body=chunked)[0] == 400

    def test_a_challenge_spelled_otherwise(self, play, desk):
        asked = ("simpleenroll", "POST", *POST)
        lines = got(play, "globalsign", *asked, body=desk.request("/CN=x"))[1]
        assert "www-authenticate: BASIC Realm=est" in lines

    @pytest.mark.parametrize(("profile", "status"), [("digicert", 404), ("csrattrs-501", 501)])
    def test_no_csrattrs(self, play, profile, status):
        assert got(play, profile, "csrattrs")[0] == status

    def test_labels(self, play):
        for profile, right, wrong in (
            ("libest", "", "a/"),
            ("vault", "policy/", ""),
            ("entrust", "a/b/c/", "a/b/"),
            ("entrust", "a_b_c/", "a_b/"),
        ):
            assert got(play, profile, right + "cacerts")[0] == 200
            assert got(play, profile, wrong + "cacerts")[0] == 404

    def test_a_code_serves_once(self, play, desk):
        asked = ("simpleenroll", "POST", *POST, basic(play("cumulocity")))
        body = desk.request("/CN=x")
        assert [got(play, "cumulocity", *asked, body=body)[0] for _ in range(2)] == [200, 401]

    def test_a_bootstrap_certificate_is_given_where_one_is_demanded(self, play, desk, servers):
        server = play("infisical")
        pair = [server.facts[f"bootstrap_{part}"] for part in ("certificate", "key")]
        assert stat.S_IMODE(os.stat(pair[1]).st_mode) == 0o600
        for mine, status in ((["--cert", pair[0], "--key", pair[1]], 200), ([], 401)):
            body = desk.request("/CN=pump")
            url = f"{server.url.rpartition('/')[0]}{PREFIX}0b5f7c1e-profile/simpleenroll"
            done = subprocess.run(
                ["curl", "-s", "-o", desk.folder / "out", "-w", "%{http_code}", "--cacert",
                 anchors(server), *mine, "--data-binary", "@-", "--header", POST[0], url],
                input=body, capture_output=True, check=True,
            )  # fmt: skip
            assert int(done.stdout) == status
        kept = Path(pair[0]).read_bytes()
        again = servers.start(server.folder, "--profile", "infisical")
        assert again.facts["bootstrap_certificate"] == pair[0]
        assert Path(pair[0]).read_bytes() == kept
        own = servers.start(
            desk.folder / "own", "--profile", "infisical", "--client-ca", again.issuing
        )
        assert "bootstrap_key" not in own.facts

    def test_a_password_beats_the_certificate_only_at_vault(self, play, desk):
        for profile, label, status in (("vault", "policy/", 401), ("created", "", 201)):
            raw = Raw(play(profile))
            right = basic(play(profile))
            body = desk.request("/CN=first")
            raw.ask("POST", label + "simpleenroll", *POST, right, body=body)
            found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(raw.answer()[2]))
            desk.certificate.write_bytes(found[0].public_bytes(Encoding.PEM))
            mine = ["--cert", desk.certificate, "--key", desk.key]
            wrong = ["--header", basic(play(profile), "wrong")]
            base = str(play(profile).facts["url"]).partition("/policy")[0]
            done = subprocess.run(
                [str(part) for part in (
                    "curl", "-s", "-o", desk.folder / "out", "-w", "%{http_code}", "--cacert",
                    anchors(play(profile)), *mine, *wrong, "--data-binary", "@-", "--header",
                    POST[0], f"{base}{PREFIX}{label}simpleenroll",
                )],
                input=body, capture_output=True, check=True,
            )  # fmt: skip
            assert int(done.stdout) == status, profile


class TestTls:
    def test_tls_1_2_at_most(self, play):
        assert Raw(play("libest")).tls.version() == "TLSv1.2"
        assert Raw(play("globalsign")).tls.version() == "TLSv1.3"

    def test_h2_is_offered(self, play):
        raw = Raw(play("globalsign"), alpn=["h2"])
        assert raw.tls.selected_alpn_protocol() == "h2"
        assert Raw(play("globalsign")).tls.selected_alpn_protocol() is None

    def test_a_common_name_becomes_a_dns_name(self, play, desk):
        asked = ("simpleenroll", "POST", *POST, basic(play("nexus")))
        body = got(play, "nexus", *asked, body=desk.request("/CN=pump7.example"))[2]
        (issued,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        san = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert san.get_values_for_type(x509.DNSName) == ["pump7.example"]
