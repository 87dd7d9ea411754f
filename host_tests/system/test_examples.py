"""The examples of firmware/examples as a simulated board's application, over real mutual TLS."""

import http.server
import ssl
import threading

import pytest
from commands import estctl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from estctl import library


@pytest.fixture
def context(server, tmp_path):
    """A server's TLS context under the EST CA, that wants a client certificate of that CA."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name.from_rfc4514_string("CN=service"))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (tmp_path / "s.key").write_bytes(key.private_bytes(*form, serialization.NoEncryption()))
    (tmp_path / "s.csr").write_bytes(request.public_bytes(serialization.Encoding.PEM))
    options = ["--csr", tmp_path / "s.csr", "--out-cert", tmp_path / "s.pem"]
    done = estctl("enroll", *server.at, *server.credential, *options)
    assert done.status == 0, done.err
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(tmp_path / "s.pem", tmp_path / "s.key")
    made.load_verify_locations(server.anchors)
    made.load_verify_locations(server.folder / "issuing.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        who = dict(pair[0] for pair in self.connection.getpeercert()["subject"])
        answer = b"%s from %s" % (body, who["commonName"].encode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"], indirect=True)
def test_an_https_request_with_the_boards_certificate(server, interpreter, context, tmp_path):
    web = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    flash = tmp_path / "flash"
    flash.mkdir()
    app = (library.FIRMWARE / "examples/https_mtls.py").read_text()
    app = app.replace('"api.example.com"', '"127.0.0.1"')
    (flash / "app.py").write_text(app.replace("PORT = 443", f"PORT = {web.server_port}"))
    try:
        options = ["--interpreter", interpreter, "--subject", "CN=pump", *server.at]
        done = estctl("device", "--json", "--flash", flash, *options, *server.credential)
    finally:
        web.shutdown()
        web.server_close()
    assert done.status == 0, done.err
    wanted = """server said 200 b'{"pressure": 3.2} from pump'"""
    assert wanted in done.json["console"], done.json["console"]
