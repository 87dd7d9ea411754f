"""est.Client in each interpreter: which store of anchors authorises a server, and what it gets.

RFC 7030 3.3.1, 3.6.1, 3.6.2, 4.1.1 and 4.1.3, with real TLS on loopback.
"""

import datetime
import hashlib
import ipaddress
import ssl

import trustme
from certs_only import certs_only, issue, request
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from probing import der
from scripted_server import ScriptedServer, by_path

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
NOW = datetime.datetime.now(datetime.timezone.utc)


class Signer:
    """A CA as trustme.CA shows itself."""

    def __init__(self, certificate, key):
        self.cert_pem, self.private_key_pem = trustme.Blob(certificate), trustme.Blob(key)


def below(ca, extension):
    """Return a CA that ca (trustme.CA) signed, with one more (extension, critical)."""
    return Signer(*made(ca, "issuing", [(x509.BasicConstraints(True, None), True), extension]))


def served(folder, ca, common_name, names, usages=(), above=b""):
    """Return a server context with a certificate that ca signed; above: PEM of its chain."""
    extensions = [(x509.SubjectAlternativeName(names), False)] if names else []
    extensions += [(x509.ExtendedKeyUsage(usages), False)] if usages else []
    certificate, key = made(ca, common_name, extensions)
    path = folder / "server.pem"
    path.write_bytes(certificate + above + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def made(ca, common_name, extensions):
    """Return the PEM of a new certificate that ca signed, and of its key."""
    authority = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(days=1))
        .not_valid_after(NOW + datetime.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signing = load_pem_private_key(ca.private_key_pem.bytes(), None)
    return (
        builder.sign(signing, hashes.SHA256()).public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def ra(folder, ca, names=(), usages=(ExtendedKeyUsageOID.SERVER_AUTH, CMC_RA)):
    return served(folder, ca, "ra.example", names, usages)


class TestStores:
    def test_an_explicit_anchor_authorises_and_is_named(self, device, context, anchor):
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["authorised"] == ["explicit", "name"] and went["verified"]
        assert went["handshakes"] == 1

    def test_a_fingerprint_pins_and_the_anchor_then_authorises(self, device, ca, context, anchor):
        script = by_path(
            cacerts=certs_only(anchor), enroll=certs_only(issue(ca, KEY.public_key()))
        )
        pin = hashlib.sha256(anchor).hexdigest()
        with ScriptedServer(script, context) as server:
            went = device.run("cacerts", port=server.port, fingerprint=pin)
            assert went["authorised"] == ["pinned", "fingerprint"] and not went["verified"]
            went = device.run("simpleenroll", port=server.port, fingerprint=pin, csr=CSR)
        assert went["authorised"] == ["explicit", "name"] and went["handshakes"] == 2

    def test_the_implicit_store_gives_way_to_what_cacerts_brought(
        self, device, ca, context, anchor
    ):
        script = by_path(
            cacerts=certs_only(anchor), enroll=certs_only(issue(ca, KEY.public_key()))
        )
        with ScriptedServer(script, context) as server:
            first = device.run("cacerts", port=server.port, implicit=[anchor])
            assert first["authorised"] == ["implicit", "name"] and not first["verified"]
            went = device.run("simpleenroll", port=server.port, implicit=[anchor], csr=CSR)
        assert went["authorised"] == ["explicit", "name"] and went["handshakes"] == 2

    def test_after_that_the_implicit_store_authorises_nobody(self, device, context, anchor):
        est_ca = trustme.CA()
        root = der(est_ca.cert_pem.bytes())
        issued = issue(est_ca, KEY.public_key())
        script = by_path(cacerts=certs_only(root), enroll=certs_only(issued))
        with ScriptedServer(script, context) as server:
            wish = {"port": server.port, "implicit": [anchor], "csr": CSR}
            went = device.run("simpleenroll", **wish)
            assert went["class"] == "TrustError" and "set keep_implicit" in went["error"], went
            assert [r.head.split(" ")[0] for r in server.requests] == ["GET"]
            kept = device.run("simpleenroll", keep_implicit=True, **wish)
        assert kept.get("results") == [issued.hex()] and kept["authorised"][0] == "implicit"

    def test_without_any_trust_only_the_candidate_is_fetched(self, device, context, anchor):
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            wish = {"port": server.port, "ask": True, "csr": CSR, "user": "u", "password": "p"}
            assert device.run("candidate", **wish)["results"] == [anchor.hex()]
            assert len(server.requests) == 1
            for operation in ("cacerts", "csrattrs", "simpleenroll"):
                went = device.run(operation, **wish)
                assert went["class"] == "TrustError" and "nobody has vouched" in went["error"]
        assert len(server.requests) == 1 and "authorization" not in server.requests[0].head.lower()


class TestCmcRa:
    """RFC 7030 3.6.1: id-kp-cmcRA stands for the name, under an explicit anchor alone."""

    def test_it_authorises_a_server_of_another_name(self, device, ca, anchor, tmp_path):
        names = ([x509.DNSName("ra.example")], [x509.DNSName("*.est.example")], ())
        for san in names:
            context = ra(tmp_path, ca, san)
            with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
                went = device.run("cacerts", port=server.port, anchors=[anchor])
            assert went.get("authorised") == ["explicit", "id-kp-cmcRA"], (san, went)

    def test_it_does_not_under_an_implicit_anchor(self, device, ca, anchor, tmp_path):
        context = ra(tmp_path, ca, [x509.DNSName("ra.example")])
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            went = device.run("cacerts", port=server.port, implicit=[anchor])
        assert went["class"] == "TrustError" and "another host name" in went["error"]
        assert server.requests == []

    def test_another_purpose_is_none(self, device, ca, anchor, tmp_path):
        any_purpose = x509.ObjectIdentifier("2.5.29.37.0")
        for usages in ((), (ExtendedKeyUsageOID.SERVER_AUTH,), (any_purpose,)):
            context = ra(tmp_path, ca, [x509.DNSName("ra.example")], usages)
            with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
                went = device.run("cacerts", port=server.port, anchors=[anchor])
            assert went["class"] == "TrustError", went
            # OpenSSL looks at the purpose first, and takes no "any" for a server.
            assert "another host name" in went["error"] or "purpose" in went["error"]
            assert server.requests == []

    def test_a_stranger_with_it_is_refused(self, device, anchor, tmp_path):
        context = ra(tmp_path, trustme.CA(), [x509.DNSName("ra.example")])
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        assert went["class"] == "TrustError" and server.requests == []


class TestChain:
    """What RFC 5280 demands of the server's chain, and mbedTLS does not look at."""

    def test_name_constraints_of_the_tls_ca(self, device, ca, anchor, tmp_path):
        # Not critical: a critical one is refused by mbedTLS, which does not know the extension.
        loopback = x509.IPAddress(ipaddress.ip_network("127.0.0.0/8"))
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        for subtrees, good in (((None, [loopback]), False), (([loopback], None), True)):
            constraint = (x509.NameConstraints(*subtrees), False)
            issuing = below(ca, constraint)
            context = served(tmp_path, issuing, "x", names, above=issuing.cert_pem.bytes())
            with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
                went = device.run("cacerts", port=server.port, anchors=[anchor])
            if good:
                assert went.get("authorised") == ["explicit", "name"], went
            else:
                assert went["class"] == "TrustError" and "excluded" in went["error"], went
                assert server.requests == []

    def test_a_critical_name_constraint_in_tls_is_one_clear_error(
        self, device, ca, anchor, tmp_path
    ):
        permitted = x509.NameConstraints([x509.DNSName("example")], None)
        issuing = below(ca, (permitted, True))
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        context = served(tmp_path, issuing, "x", names, above=issuing.cert_pem.bytes())
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            went = device.run("cacerts", port=server.port, anchors=[anchor])
        if device.name == "cpython":  # OpenSSL knows it; nothing permits or excludes the address
            assert went.get("authorised") == ["explicit", "name"], went
        else:
            assert went["class"] == "TrustError" and "critical extension" in went["error"], went
            assert server.requests == []

    def test_keys_below_the_boards_minimum(self, device, ca, context, anchor):
        with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
            wish = {"port": server.port, "anchors": [anchor]}
            went = device.run("cacerts", limits={"MIN_EC_BITS": 384}, **wish)
        assert went["class"] == "TrustError" and "384" in went["error"], went
        assert server.requests == []


def test_the_devices_own_chain_is_sent(device, tmp_path):
    """The server knows the root alone, so that the leaf is not enough (RFC 7030 3.3.2)."""
    root = trustme.CA()
    issuing = root.create_child_ca()
    mine = issuing.issue_cert("pump.example")
    intermediate, anchor = der(issuing.cert_pem.bytes()), der(root.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    root.issue_cert("127.0.0.1").configure_cert(context)
    root.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    key = load_pem_private_key(mine.private_key_pem.bytes(), None)
    wish = {
        "anchors": [anchor],
        "certificate": der(mine.cert_chain_pems[0].bytes()),
        "key": key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    }
    with ScriptedServer(by_path(cacerts=certs_only(anchor)), context) as server:
        alone = device.run("cacerts", port=server.port, **wish)
        assert alone["class"] in ("NetworkError", "TlsRefused") and server.requests == []
        went = device.run("cacerts", port=server.port, intermediates=[intermediate], **wish)
    assert went.get("results") == [[anchor.hex()]], went
