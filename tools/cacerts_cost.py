"""How much more heap a large answer to /cacerts takes than a small one.

host_tests/bench_cacerts.py fetches it in `unix32` over TLS, with the library as .mpy; the figures
are the smallest heaps with which it comes through, all checks of the certificates included.
"""

import datetime
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from estctl import interpreters
from p256_cost import SCRIPTS, compile_library

SMALL, LARGE = 2, 16  # certificates, of about a kilobyte each
_CERTIFICATE = 1010  # bytes of one
_STEP = 256  # bytes: how exactly the smallest heap is found
_LOW, _HIGH = 24 << 10, 256 << 10
_DEADLINE = 60  # seconds for one fetch
_DAY = datetime.timedelta(days=1)


def growth(folder: Path) -> tuple[int, int]:
    """Return by how many bytes the smallest heap grows from the small to the large answer, and
    by how many the answer itself (DER) does.

    folder: where the library may be compiled. Raises CompileError, and RuntimeError where the
    fetch fails whatever the heap is.
    """
    compiled = compile_library(folder / "cacerts" / "unix32", "x86", "viper")
    found = []
    for count in (SMALL, LARGE):
        root, answer, context = _authority(count)
        with _serving(context, answer) as port:
            found.append((_smallest(compiled, port, root, count), len(answer)))
    (small, small_size), (large, large_size) = found
    return large - small, large_size - small_size


def _authority(count: int) -> tuple[bytes, bytes, ssl.SSLContext]:
    """Return a root (DER), a certs-only message with it and CAs below, and a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    root = _certificate("root", key, "root", key, True)
    bag = [root] + [
        _certificate(f"CA {i}", ec.generate_private_key(ec.SECP256R1()), "root", key, True)
        for i in range(1, count)
    ]
    own = ec.generate_private_key(ec.SECP256R1())
    server = _certificate("server", own, "root", key, False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem + server.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    der = root.public_bytes(Encoding.DER)
    return der, pkcs7.serialize_certificates(bag, Encoding.DER), context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    issuer_key: ec.EllipticCurvePrivateKey,
    ca: bool,
) -> x509.Certificate:
    """Return a certificate of _CERTIFICATE bytes, or a few more: an extension fills it up."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def made(filling: int) -> x509.Certificate:
        other = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.9"), bytes(filling))
        address = x509.IPAddress(ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.SubjectAlternativeName([address]), False)
            .add_extension(other, False)
            .sign(issuer_key, hashes.SHA256())
        )

    return made(_CERTIFICATE - len(made(256).public_bytes(Encoding.DER)) + 256)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@contextmanager
def _serving(context: ssl.SSLContext, answer: bytes) -> Iterator[int]:
    """Serve an answer (DER) to every request over TLS on loopback; yield the port."""
    import base64

    body = base64.encodebytes(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/pkcs7-mime")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self):  # type: ignore[no-untyped-def]
            raw, address = super().get_request()
            raw.settimeout(_DEADLINE)
            return context.wrap_socket(raw, True, do_handshake_on_connect=False), address

        def handle_error(self, *_: object) -> None:
            pass  # the client had too little memory

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _smallest(compiled: Path, port: int, root: bytes, count: int) -> int:
    """Return the smallest heap (bytes) with which the fetch comes through, by bisection."""
    low, high = _LOW, _HIGH
    if not _goes(high, compiled, port, root, count):
        raise RuntimeError("the CA certificates cannot be fetched")
    while high - low > _STEP:
        middle = (low + high) // 2
        low, high = (low, middle) if _goes(middle, compiled, port, root, count) else (middle, high)
    return high


def _goes(heap: int, compiled: Path, port: int, root: bytes, count: int) -> bool:
    """Return whether the fetch comes through with a heap of so many bytes."""
    code = f"import bench_cacerts; bench_cacerts.main({port}, '{root.hex()}', {count})"
    done = subprocess.run(
        [str(interpreters.find("unix32")), "-X", f"heapsize={heap}", "-c", code],
        env={"MICROPYPATH": f"{compiled}:{SCRIPTS}:.frozen"},
        capture_output=True,
        timeout=_DEADLINE,
        check=False,
    )
    return done.stdout.strip() == b"fetched"
