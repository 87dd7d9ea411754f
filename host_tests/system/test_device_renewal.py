"""The life of a certificate on a simulated board: renewed, rekeyed, expired, enrolled anew."""

import json
from pathlib import Path

import pytest
import slots
from commands import estctl, openssl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from devid.store import PENDING, Store

RENEW = """
async def main(identity):
    print("renew:", await identity.renew())
    print("now", identity.status()["state"])
"""

# Waits are over at once; the clock that counts for the identity moves on instead.
KEEP = """
import asyncio, unix_time
async def main(identity):
    start, moved, real = unix_time.now(), [0], unix_time.now
    unix_time.now = lambda: real() + moved[0]
    changes = []
    def changed(same):
        PRESENT
        changes.append(same.status()["serial"])
    identity.on_change = changed
    async def sleep(seconds):
        moved[0] += seconds
        await asyncio.sleep(0)
    unix_time.sleep = sleep
    task = asyncio.create_task(identity.keep_renewed())
    for _ in range(1000):
        await asyncio.sleep(0.01)
        if CONDITION:
            break
    task.cancel()
    s = identity.status()
    print("kept", len(changes), moved[0], s["state"], s["next"]["action"], s["last_error"])
"""


@pytest.fixture
def enrolled(server, interpreter, tmp_path):
    """Return a function that boots an enrolled board again with an application."""
    return _enrolled(server, interpreter, tmp_path)


def _enrolled(server, interpreter, tmp_path, *more, **settings):
    flash = tmp_path / "flash"
    command = ["device", "--json", "--flash", flash, "--interpreter", interpreter]
    first = estctl(*command, *server.at, *server.credential, *more)
    assert first.status == 0, first.err
    found = json.loads((flash / "device.json").read_text())
    (flash / "device.json").write_text(json.dumps({**found, **settings}))

    def boot(app=RENEW, *options):
        (flash / "app.py").write_text(app)
        return estctl(*command, *options)

    boot.flash, boot.first = flash, first.json
    boot.command = command
    return boot


def public_key(record):
    key = x509.load_der_x509_certificate(record.certificate).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_renewal_makes_a_new_key_and_proves_the_certificate(enrolled, server):
    old = slots.identity(enrolled.flash)
    done = enrolled()
    assert done.status == 0 and "renew: renewed" in done.json["console"], done.out
    new = slots.identity(enrolled.flash)
    assert new.key != old.key and public_key(new) != public_key(old)
    assert (
        done.json["subject"] == enrolled.first["subject"]
        and "key matches" in done.json["verified"]
    )
    console = done.json["console"]
    proved = console.index("renewal: the server takes the new certificate")
    assert proved < console.index("store: identity committed")
    assert sum(line.startswith("connecting") for line in console) == 2, "the proof is the second"
    assert old.key not in b"".join(p.read_bytes() for p in enrolled.flash.rglob("*.slot"))
    assert "now enrolled" in console
    log = (server.folder / "log").read_text()
    assert f"issued {done.json['serial']}" in log


def test_a_key_is_kept_where_the_settings_say_so(server, interpreter, tmp_path):
    enrolled = _enrolled(server, interpreter, tmp_path, rekey=False)
    old = slots.identity(enrolled.flash)
    done = enrolled()
    assert done.status == 0 and "renew: renewed" in done.json["console"], done.out
    new = slots.identity(enrolled.flash)
    assert public_key(new) == public_key(old) and new.certificate != old.certificate


def test_names_stay_those_of_the_certificate(server, interpreter, tmp_path):
    san = ["--san", "dns:pump.example,ip:192.0.2.9", "--subject", "O=Acme,CN=pump-{unique_id}"]
    enrolled = _enrolled(server, interpreter, tmp_path, *san)
    done = enrolled()
    assert done.status == 0 and done.json["subject"].startswith("O=Acme,CN=pump-")
    record = slots.identity(enrolled.flash)
    (tmp_path / "c.der").write_bytes(record.certificate)
    text = openssl("x509", "-inform", "DER", "-in", tmp_path / "c.der", "-noout", "-text")
    assert "DNS:pump.example, IP Address:192.0.2.9" in text


def test_a_failed_renewal_leaves_the_identity_and_says_when_it_tries_again(
    servers, interpreter, tmp_path
):
    server = servers.start(tmp_path / "server", "--days", "30")
    enrolled = _enrolled(server, interpreter, tmp_path)
    old = slots.identity(enrolled.flash)
    servers.end(server.pid)
    app = KEEP.replace("CONDITION", "moved[0] > 22 * 86400").replace("PRESENT", "pass")
    done = enrolled(app)
    assert done.status == 0, done.err
    assert slots.identity(enrolled.flash) == old
    kept = next(line for line in done.json["console"] if line.startswith("kept 0 "))
    assert " renew cacerts: 127.0.0.1:" in kept, kept
    failed = [line for line in done.json["console"] if line.startswith("renewal: ")]
    assert 5 < len(failed) < 400, "it backs off, and goes on"
    assert Store(str(enrolled.flash / "identity")).read(PENDING)


def test_a_board_renews_itself_for_months(servers, interpreter, tmp_path):
    server = servers.start(tmp_path / "server", "--days", "30")
    enrolled = _enrolled(server, interpreter, tmp_path)
    # The server lives in the present: so does the board again once it has renewed.
    app = KEEP.replace("CONDITION", "len(changes) >= 3").replace("PRESENT", "moved[0] = 0")
    done = enrolled(app)
    assert done.status == 0, done.err
    kept = next(line for line in done.json["console"] if line.startswith("kept"))
    assert kept.startswith("kept 3 "), done.json["console"][-5:]


def test_a_renewal_that_was_interrupted_goes_on_with_the_same_key(enrolled):
    cut = """
async def main(identity):
    async def proof(device, waiting):
        raise SystemExit
    from devid import renewal
    renewal._prove = proof
    import sys
    try:
        await identity.renew()
    except SystemExit:
        print("cut")
"""
    # The board loses its power between the new certificate and its proof.
    keep = cut.replace("from devid import renewal", "from devid import renewal\n    import devid")
    keep = keep.replace(
        "import sys",
        "import heap\n    heap.forget = devid.forget = lambda *names: None",
    )
    done = enrolled(keep, "--source")  # in .mpy files private names are other ones
    assert "cut" in done.json["console"], done.out
    old = slots.identity(enrolled.flash)
    done = enrolled()
    console = done.json["console"]
    assert done.status == 0 and "renew: renewed" in console, console
    assert "key: generating P-256" not in console, "the certificate that came is used"
    assert "simplereenroll: certificate received and checked" not in console
    assert slots.identity(enrolled.flash).certificate != old.certificate


def test_after_its_end_a_certificate_is_replaced_by_the_kept_credential(
    servers, interpreter, tmp_path
):
    server = servers.start(tmp_path / "server", "--days", "1")
    enrolled = _enrolled(server, interpreter, tmp_path, "--keep-credential")
    app = """
import unix_time
async def main(identity):
    real = unix_time.now
    unix_time.now = lambda: real() + 3 * 86400
    print("state", identity.status()["state"])
    unix_time.now = lambda: real() + 86000
    print("ensure:", await identity.ensure())
"""
    done = enrolled(app)
    assert "state expired" in done.json["console"], done.out
    assert "ensure: renewed" in done.json["console"], done.out


def test_settings_of_renewal_are_checked(tmp_path, server):
    from devid import settings
    from est_errors import ConfigError

    values = {"url": "https://h", "subject": "CN=x"}
    assert settings.parse(values).rekey is True
    assert settings.parse({**values, "renew_at": 0.5}).renew_at == 0.5
    for wrong in ({"renew_at": 0}, {"renew_at": "half"}, {"renew_at": 1}, {"rekey": "no"}):
        with pytest.raises(ConfigError):
            settings.parse({**values, **wrong})


def test_the_key_is_in_no_line_that_a_renewal_prints(enrolled):
    done = enrolled()
    key = slots.identity(enrolled.flash).key
    secret = key[7:39].hex()
    assert secret not in done.out + done.err
    assert Path(enrolled.flash / "identity").is_dir()


def test_the_background_task_and_the_application_take_turns(enrolled):
    both = """
import asyncio
async def main(identity):
    print(await asyncio.gather(identity.renew(), identity.renew()))
"""
    done = enrolled(both)
    console = done.json["console"]
    assert "['renewed', 'renewed']" in console, console
    proved = [line for line in console if line.startswith(("key:", "store: identity"))]
    assert [line[:4] for line in proved] == ["key:", "stor", "key:", "stor"]
