"""Mosquitto over mutual TLS under the CA of a development server, as README.md sets it up."""

import re
import socket
import subprocess
import time
from datetime import datetime, timedelta, timezone
from importlib import metadata
from pathlib import Path

import pytest
from commands import Server, estctl
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from devid.record import Record
from setup import mosquitto
from setup.progress import SetupError, complaint

_README = (Path(__file__).resolve().parent.parent / "README.md").read_text()
_SIMPLE = """

def _check_msg(self):
    self.sock.setblocking(False)
    return self._wait_msg()


MQTTClient.publish = MQTTClient._publish
MQTTClient.wait_msg = MQTTClient._wait_msg
MQTTClient.check_msg = _check_msg
"""
_DEADLINE = 30  # seconds for what a test waits for


def umqtt() -> str:
    """Return micropython-lib's umqtt.simple, from the wheel that carries it with umqtt.robust.

    The wheel's publish(), wait_msg() and check_msg() connect again by themselves, as umqtt.robust
    does. Here they are those of umqtt.simple, whose errors reach the application.
    """
    wheel = metadata.distribution("micropython-home-assistant")
    source = Path(str(wheel.locate_file("mha/umqtt/__init__.py"))).read_text()
    return source + _SIMPLE


def enroll(server: Server, folder: Path, name: str, *options: str) -> None:
    """Get a certificate from the server: NAME.pem, NAME.key, and the CA's as ca.pem."""
    files = ["--out-cert", folder / f"{name}.pem", "--out-key", folder / f"{name}.key"]
    files += ["--out-ca", folder / "ca.pem"]
    asked = ["--subject", f"CN={name}", *options, *files]
    done = estctl("enroll", *server.at, *server.credential, *asked)
    assert done.status == 0, done.err


class Broker:
    """A running broker. Attributes: port (int)."""

    def __init__(self, server: Server, folder: Path) -> None:
        """Start one in the folder, which is its own."""
        try:
            mosquitto.provide()
        except SetupError as error:
            pytest.skip(f"there is no Mosquitto: {complaint(error)}")
        folder.mkdir()
        self._server, self._folder, self._revoked = server, folder, list[int]()
        self._subscribers: list[subprocess.Popen[bytes]] = []
        enroll(server, folder, "broker", "--san", "ip:127.0.0.1")
        enroll(server, folder, "desk")
        self._write_crl()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        shown = re.search(r"```\n(listener 8883\n.*?)```", _README, re.DOTALL)
        rule = re.search(r"`(pattern readwrite %u/#)`", _README)
        assert shown and rule
        settings = shown[1].replace("/etc/mosquitto", str(folder)).replace("/certs/", "/")
        settings = settings.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        settings += f"crlfile {folder}/crl.pem\nuser root\nlog_type all\nlog_dest stderr\n"
        (folder / "mosquitto.conf").write_text(settings)
        (folder / "acl").write_text(f"{rule[1]}\nuser desk\ntopic readwrite #\n")
        self._start()

    def _start(self) -> None:
        command = [mosquitto.FOLDER / "mosquitto", "-c", self._folder / "mosquitto.conf"]
        with open(self._folder / "log", "wb") as log:
            self._process = subprocess.Popen(command, stderr=log)
        self.wait_for("mosquitto version .* running")

    def log(self) -> str:
        """Return what the broker has logged since its start."""
        return (self._folder / "log").read_text()

    def wait_for(self, pattern: str) -> None:
        """Wait until a line of the log has the pattern."""
        end = time.monotonic() + _DEADLINE
        while not re.search(pattern, self.log()):
            assert time.monotonic() < end and self._process.poll() is None, self.log()
            time.sleep(0.05)

    def restart(self) -> None:
        """End it and start it again."""
        self._end()
        self._start()

    def revoke(self, certificate: x509.Certificate) -> None:
        """Refuse a certificate from now on, connections that stand excepted."""
        self._revoked.append(certificate.serial_number)
        self._write_crl()
        self._process.send_signal(1)  # SIGHUP: read the files again
        self.wait_for("Reloading config")

    def publish(self, topic: str, message: str, name: str | None = "desk") -> int:
        """Publish with NAME.pem, or without certificate; return the client's exit status."""
        command = self._client("mosquitto_pub", name) + ["-t", topic, "-m", message]
        done = subprocess.run(command, capture_output=True, timeout=_DEADLINE, check=False)
        return done.returncode

    def keep(self, name: str, identity: Record) -> None:
        """Store a board's identity as NAME.pem and NAME.key."""
        ders = [identity.certificate, *identity.chain]
        certificates = [x509.load_der_x509_certificate(der) for der in ders]
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
        (self._folder / f"{name}.pem").write_bytes(pem)
        key = load_der_private_key(identity.key, None)
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self._folder / f"{name}.key").write_bytes(key.private_bytes(*form))

    def subscribe(self) -> Path:
        """Return the file that gets each message as a line: topic and message."""
        file = self._folder / "messages"
        with open(file, "wb") as output:
            command = self._client("mosquitto_sub", "desk") + ["-i", "reader", "-v", "-t", "#"]
            self._subscribers.append(subprocess.Popen(command, stdout=output))
        self.wait_for("Sending SUBACK to reader")
        return file

    def stop(self) -> None:
        """End the broker and its subscribers."""
        for process in self._subscribers:
            process.terminate()
            process.wait(_DEADLINE)
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        assert self._process.wait(_DEADLINE) == 0

    def _client(self, program: str, name: str | None) -> list[str]:
        command = [str(mosquitto.FOLDER / program), "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["--cafile", str(self._folder / "ca.pem")]
        if name:
            command += ["--cert", str(self._folder / f"{name}.pem")]
            command += ["--key", str(self._folder / f"{name}.key")]
        return command

    def _write_crl(self) -> None:
        """Write the CRL as the EST server's CA would issue it."""
        issuer = x509.load_pem_x509_certificate((self._server.folder / "issuing.pem").read_bytes())
        key = load_pem_private_key((self._server.folder / "issuing.key").read_bytes(), None)
        now = datetime.now(timezone.utc)
        end = now + timedelta(days=1)
        builder = x509.CertificateRevocationListBuilder(issuer.subject, now, end)
        for serial in self._revoked:
            entry = x509.RevokedCertificateBuilder(serial, now).build()
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(key, hashes.SHA256())
        (self._folder / "crl.pem").write_bytes(crl.public_bytes(Encoding.PEM))
