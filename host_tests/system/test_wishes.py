"""What a server wants in a request, on whole enrolments: templates, lists, wishes that fail."""

import base64
import json
from pathlib import Path

import pytest
from commands import estctl, openssl
from estctl import simulation
from pki.der_writer import tlv

INTERPRETERS = ["cpython", "micropython", "micropython32"]
# Little more than a board needs: 65 and 94 KiB did each time they were tried.
HEAP = {"micropython32": ("--heap", "72k"), "micropython": ("--heap", "104k"), "cpython": ()}


def boot(server, folder, interpreter, *options):
    return estctl(
        "device",
        "--json",
        *server.pinned,
        *server.credential,
        "--flash",
        folder / "flash",
        "--interpreter",
        interpreter,
        *HEAP[interpreter],
        "--out-cert",
        folder / "dev.pem",
        *options,
    )


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_board_follows_a_template_within_a_small_heap(servers, tmp_path, interpreter):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    done = boot(server, tmp_path, interpreter, "--subject", "O=Acme,CN=pump 7")
    assert done.status == 0, done.err
    text = openssl("x509", "-in", tmp_path / "dev.pem", "-noout", "-text")
    assert "Subject: CN = pump 7\n" in text, "the template has no O"
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "TLS Web Client Authentication" in text


def template(*extensions):
    """CsrAttrs with a template (RFC 9908) that asks for extensions, DER each."""
    kinds = tlv(
        0x30, bytes.fromhex("060b2a864886f70d010910023e"), tlv(0x31, tlv(0x30, *extensions))
    )
    whole = tlv(0x31, tlv(0x30, b"\x02\x01\x00", tlv(0xA1, kinds)))
    return tlv(0x30, tlv(0x30, bytes.fromhex("060b2a864886f70d010910023d"), whole))


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_key_identifier_and_a_renewal_with_the_names_it_has(servers, tmp_path, interpreter):
    kinds = [bytes.fromhex("30050603551d" + last) for last in ("0e", "11")]
    (tmp_path / "wanted").write_bytes(template(*kinds))
    options = ["--csrattrs", str(tmp_path / "wanted")]
    server = servers.start(tmp_path / "server", *options)
    done = boot(server, tmp_path, interpreter, "--san", "dns:pump.example")
    assert done.status == 0, done.err
    # The settings lost the name since; the certificate that is renewed has it.
    settings = tmp_path / "flash/device.json"
    found = json.loads(settings.read_text())
    del found["san"]
    settings.write_text(json.dumps(found))
    app = 'async def main(identity):\n    print("renew:", await identity.renew())\n'
    (tmp_path / "flash/app.py").write_text(app)
    more = ["--flash", tmp_path / "flash", "--interpreter", interpreter, *HEAP[interpreter]]
    done = estctl("device", "--json", *more, "--out-cert", tmp_path / "dev.pem")
    assert "renew: renewed" in done.json["console"], done.json["console"]
    assert "pump.example" in openssl("x509", "-in", tmp_path / "dev.pem", "-noout", "-text")


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_board_without_the_name_that_is_wanted_says_so(servers, tmp_path, interpreter):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    done = boot(server, tmp_path, interpreter, "--subject", "O=Acme")
    assert done.status != 0 and "wants CN in the subject" in done.err
    assert "simpleenroll" not in (tmp_path / "server/log").read_text()


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_board_goes_on_with_its_key_where_another_curve_is_listed(
    servers, tmp_path, interpreter
):
    # EC on P-384, and ecdsa-with-SHA384
    der = bytes.fromhex("301e301206072a8648ce3d0201310706052b8104002206082a8648ce3d040303")
    (tmp_path / "listed").write_bytes(base64.b64encode(der))
    server = servers.start(tmp_path / "server", "--csrattrs", str(tmp_path / "listed"))
    done = boot(server, tmp_path, interpreter)
    assert done.status == 0, done.err
    assert "a P-384 key" in done.out and "1.2.840.10045.4.3.3" in done.out


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_board_refuses_a_server_for_rsa_keys(servers, tmp_path, interpreter):
    der = bytes.fromhex("3013301106092a864886f70d010101310402021000")
    (tmp_path / "listed").write_bytes(der)
    server = servers.start(tmp_path / "server", "--csrattrs", str(tmp_path / "listed"))
    done = boot(server, tmp_path, interpreter)
    assert done.status != 0
    assert "demands an RSA-4096 key; this device's is a P-256 key" in done.err


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_a_board_that_need_not_ask_does_not(servers, tmp_path, interpreter):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    password = Path(server.password_file).read_text().strip()
    settings = {
        "url": server.url,
        "trust": {"anchors": "anchors.pem"},
        "credential": {"user": server.user, "password": password},
        "subject": "O=Acme,CN=pump 7",
        "csrattrs": False,
        "ntp": False,
        "max_wait": 0,
    }
    simulation.write_settings(
        tmp_path / "flash", settings, {"anchors.pem": Path(server.anchors).read_bytes()}
    )
    options = ["--flash", tmp_path / "flash", "--out-cert", tmp_path / "dev.pem"]
    done = estctl("device", *options, "--interpreter", interpreter, *HEAP[interpreter])
    assert done.status == 0, done.err
    assert "csrattrs" not in (tmp_path / "server/log").read_text()
    subject = openssl("x509", "-in", tmp_path / "dev.pem", "-noout", "-subject")
    assert "O = Acme" in subject


def test_estctl_shows_a_template_in_words(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    done = estctl("csrattrs", "--json", *server.at)
    assert done.json["attributes"] == [
        "subject: CN=(yours)",
        "key: P-256",
        "keyUsage (2.5.29.15): critical, digitalSignature",
        "extKeyUsage (2.5.29.37): clientAuth",
    ]
    people = estctl("csrattrs", *server.at)
    assert "subject: CN=(yours)" in people.out


def test_estctl_follows_a_template_and_refuses_another_kind_of_key(servers, tmp_path):
    server = servers.start(tmp_path / "server", "--csrattrs", "template")
    rsa = tmp_path / "rsa.key"
    openssl("genpkey", "-algorithm", "RSA", "-out", rsa)
    what = ["--subject", "O=x,CN=pump", "--out-cert", tmp_path / "dev.pem"]
    asked = ["enroll", "--json", *server.at, *server.credential, *what]
    done = estctl(*asked, "--key", rsa)
    assert (
        done.status == 2 and "a P-256 key; this device's is an RSA-2048 key" in done.json["error"]
    )
    done = estctl(*asked, "--out-key", tmp_path / "dev.key")
    assert done.status == 0 and done.json["subject"] == "CN=pump", done.err
