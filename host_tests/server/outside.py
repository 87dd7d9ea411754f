"""What a server shows, seen from outside: by OpenSSL's command line and by Python's TLS."""

import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

PATIENCE = 20  # seconds


def tls_failure(server, anchors):
    """Return what Python's TLS has against the server's certificate, or None."""
    context = ssl.create_default_context(cafile=anchors)
    try:
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as raw:
            context.wrap_socket(raw, server_hostname="127.0.0.1").close()
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    return None


def served_chain(server):
    """Return the certificates that TLS presents."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-showcerts"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE, check=False)
    return x509.load_pem_x509_certificates(done.stdout)


def listed(server, desk):
    """Return the certificates of /cacerts."""
    answer = server.curl("cacerts", "--insecure", "--config", server.login)
    assert answer.status == 200, answer
    return [loaded(path) for path in desk.certificates(answer)]


def enrolled(server, desk, *options, name="any.example"):
    """Return the certificate that a request for a DNS name gets."""
    request = desk.request("/CN=pump", "-addext", f"subjectAltName=DNS:{name}")
    answer = server.enroll(request, "--insecure", *options)
    assert answer.status == 200, answer
    (path,) = desk.certificates(answer)
    return loaded(path)


def loaded(path):
    """Return the certificate in a PEM file."""
    return x509.load_pem_x509_certificate(Path(path).read_bytes())


def anchor(server):
    """Return the true root, as a device is configured with it."""
    return loaded(server.facts["anchors"])


def path_failure(desk, root, between, certificate, *options):
    """Return what `openssl verify` says of a path to the root, or None where it is right."""
    done = verify(desk, root, between, certificate, *options)
    return None if done.returncode == 0 else done.stderr


def path_length(desk, root, between, certificate):
    """Return how many CAs are above a certificate on its path to the root."""
    done = verify(desk, root, between, certificate, "-show_chain", "-x509_strict")
    assert done.returncode == 0, done.stderr
    return done.stdout.count("depth=") - 1


def verify(desk, root, between, certificate, *options):
    """Run `openssl verify`, which refuses what is weaker than 112 bits."""
    trusted, untrusted, last = (
        desk.folder / f"{name}.pem" for name in ("root", "between", "last")
    )
    for path, certificates in ((trusted, [root]), (untrusted, between), (last, [certificate])):
        path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    command = ["openssl", "verify", "-auth_level", "2", "-CAfile", trusted, *options]
    if between:
        command += ["-untrusted", untrusted]
    return subprocess.run(
        [*map(str, command), str(last)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def signed_by(certificate, issuer):
    """Tell whether a certificate names an issuer and has its signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    return True


def journal(server):
    """Return the lines of requests.jsonl."""
    with open(server.facts["requests"]) as file:
        return [json.loads(line) for line in file]


def wait_for(server, text):
    """Wait until the log has a text: the server says so after it has done it."""
    end = time.monotonic() + PATIENCE
    while text not in server.log:
        assert time.monotonic() < end, server.log
        time.sleep(0.02)
