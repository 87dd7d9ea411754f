"""est.Client.fullcmc on each interpreter: messages of OpenSSL, and every answer that must fail."""

import base64
import datetime
import subprocess

import pytest
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
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from estctl.server import cmc
from made_keys import rsa_key
from pki import der as asn1
from pki import der_writer, oid_text
from probing import LIMITS, der
from scripted_server import ScriptedServer, answers, response

KEY = ec.generate_private_key(ec.SECP256R1())
CSR = request(KEY)
CMC_RA = ObjectIdentifier("1.3.6.1.5.5.7.3.28")
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
PKI_DATA, PKI_RESPONSE = "1.3.6.1.5.5.7.12.2", "1.3.6.1.5.5.7.12.3"
TYPE = "application/pkcs7-mime; smime-type=CMC-response"
CERTS_ONLY = "application/pkcs7-mime; smime-type=certs-only"
PSS = ("-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:digest")
SUCCESS = der_writer.integer(0)


def octets(key, form=PrivateFormat.PKCS8):
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def control(number, arc, value):
    kind = der_writer.oid(oid_text.encode(f"1.3.6.1.5.5.7.7.{arc}"))
    return der_writer.tlv(
        asn1.SEQUENCE, der_writer.integer(number), kind, der_writer.tlv(asn1.SET, value)
    )


def status_info(status=SUCCESS, *more, arc=25):
    bodies = der_writer.tlv(asn1.SEQUENCE, der_writer.integer(3))
    return control(1, arc, der_writer.tlv(asn1.SEQUENCE, status, bodies, *more))


def pki_response(*controls):
    empty = der_writer.tlv(asn1.SEQUENCE)
    return der_writer.tlv(asn1.SEQUENCE, der_writer.tlv(asn1.SEQUENCE, *controls), empty, empty)


def echoed(sent):
    """The controls that show which request is answered."""
    nonce = der_writer.tlv(asn1.OCTET_STRING, bytes(range(16)))
    return control(2, 5, sent.transaction), control(3, 7, sent.nonce), control(4, 6, nonce)


def well(sent):
    return pki_response(status_info(), *echoed(sent))


def badly(*what, arc=25):
    return lambda sent: pki_response(status_info(*what, arc=arc), *echoed(sent))


class Signer:
    """A certificate and its key, with which OpenSSL signs."""

    def __init__(self, folder, ca, key, usages=(CMC_RA,), digital_signature=True):
        self.folder = folder
        authority = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
        now = datetime.datetime.now(datetime.timezone.utc)
        usage = [digital_signature, not digital_signature] + [False] * 7
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "registrar")]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(x509.KeyUsage(*usage), True)
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), False)
        ca_key = load_pem_private_key(ca.private_key_pem.bytes(), None)
        made = builder.sign(ca_key, hashes.SHA256())
        self._write(made.public_bytes(Encoding.PEM), octets_pem(key))

    def _write(self, certificate, key):
        (self.folder / "signer.pem").write_bytes(certificate)
        (self.folder / "signer.key").write_bytes(key)

    def sign(self, content, *options, kind=PKI_RESPONSE, more=()):
        """Return a SignedData of OpenSSL around content."""
        (self.folder / "content").write_bytes(content)
        (self.folder / "more.pem").write_bytes(b"".join(more))
        command = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER"]
        command += ["-md", "sha256", "-econtent_type", kind, "-in", self.folder / "content"]
        command += ["-signer", self.folder / "signer.pem", "-inkey", self.folder / "signer.key"]
        command += ["-certfile", self.folder / "more.pem"] if more else []
        return run(*command, *options)


class CaSigner(Signer):
    """The CA itself."""

    def __init__(self, folder, ca):
        self.folder = folder
        self._write(ca.cert_pem.bytes(), ca.private_key_pem.bytes())


def octets_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def run(*command):
    done = subprocess.run([str(each) for each in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def registrar(ca, tmp_path):
    return Signer(tmp_path, ca, ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture(scope="module")
def issued(ca):
    """PEM of the certificate that answers CSR."""
    return x509.load_der_x509_certificate(issue(ca, KEY.public_key())).public_bytes(Encoding.PEM)


@pytest.fixture
def ask(device, context, anchor):
    """Ask a server that answers with make(what was sent); return outcome and request."""

    def ask(make, status="200 OK", content_type=TYPE, csr=CSR, signer=KEY, cas=(), **more):
        sent = cmc.Exchange()

        def script(connection):
            connection.read_request()
            connection.send(response(certs_only(anchor, *cas)))
            while got := connection.read_request():
                message = base64.b64decode(got.body)
                cmc.check(sent, cmc.read(message, sent))
                body = base64.encodebytes(make(sent))
                connection.send(response(body, status, content_type))

        with ScriptedServer(script, context) as server:
            went = device.run(
                "fullcmc",
                port=server.port,
                anchors=[anchor],
                csr=csr,
                signer=octets(signer),
                **more,
            )
        return went, server.requests[-1]

    return ask


def fails(went, kind, *texts):
    outcome = went[0]
    assert outcome.get("class") == kind, outcome
    assert outcome["step"] == "fullcmc"
    for text in texts:
        assert text in outcome["error"], outcome
    assert outcome["seconds"] < sum(LIMITS.values()) + 5


class TestRequests:
    def test_a_request_of_the_keys_own_is_what_openssl_verifies(
        self, ask, registrar, issued, tmp_path
    ):
        went, sent = ask(lambda sent: registrar.sign(well(sent), more=[issued]))
        assert went.get("results"), went
        assert went["handshakes"] == 1
        assert sent.head.startswith("POST /.well-known/est/fullcmc HTTP/1.1")
        assert sent.header("content-type") == "application/pkcs7-mime; smime-type=CMC-request"
        content = self._verified(sent, tmp_path, "-certfile", self._same_key(tmp_path))
        assert CSR in content

    def test_a_request_signed_with_the_old_certificates_key(
        self, ask, ca, registrar, issued, tmp_path
    ):
        old_key = ec.generate_private_key(ec.SECP256R1())
        old = issue(ca, old_key.public_key())
        made = ask(lambda sent: registrar.sign(well(sent), more=[issued]), signer=old_key, old=old)
        assert made[0].get("results"), made[0]
        assert CSR in self._verified(made[1], tmp_path)
        assert old in base64.b64decode(made[1].body)

    def test_another_key_than_it_says_is_not_sent(self, device, context, ca, anchor):
        other = ec.generate_private_key(ec.SECP256R1())
        for more in ({}, {"old": issue(ca, KEY.public_key())}):
            with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
                at = {"port": server.port, "anchors": [anchor], "csr": CSR}
                went = device.run("fullcmc", signer=octets(other), **at, **more)
            fails((went,), "KeyFault", "the key that signs is not the")
            assert len(server.requests) == 1

    def _verified(self, sent, folder, *options):
        """Let OpenSSL verify a request; return its PKIData."""
        (folder / "sent").write_bytes(base64.b64decode(sent.body))
        asked = ["openssl", "cms", "-inform", "DER", "-in", folder / "sent"]
        printed = run(*asked, "-cmsout", "-print", "-noout").decode()
        assert f"eContentType: id-cct-PKIData ({PKI_DATA})" in printed, printed
        run("openssl", "asn1parse", "-inform", "DER", "-in", folder / "sent")
        content = run(*asked, "-verify", "-noverify", "-binary", *options)
        (folder / "data").write_bytes(content)
        run("openssl", "asn1parse", "-inform", "DER", "-in", folder / "data")
        return content

    def _same_key(self, folder):
        """A certificate by whose subjectKeyIdentifier OpenSSL finds the key."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pump")])
        now = datetime.datetime.now(datetime.timezone.utc)
        identifier = cmc.key_identifiers(KEY.public_key())[1]
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(KEY.public_key())
            .serial_number(1)
            .not_valid_before(now)
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier(identifier), False)
            .sign(KEY, hashes.SHA256())
        )
        (folder / "same.pem").write_bytes(made.public_bytes(Encoding.PEM))
        return folder / "same.pem"


class TestSigners:
    @pytest.mark.parametrize("options", [(), ("-keyid",), ("-stream",)])
    def test_a_registration_authority_however_openssl_writes(
        self, ask, registrar, issued, options
    ):
        went, _ = ask(lambda sent: registrar.sign(well(sent), *options, more=[issued]))
        assert went.get("results"), went

    def test_the_ca_itself(self, ask, ca, issued, tmp_path):
        signer = CaSigner(tmp_path, ca)
        went, _ = ask(lambda sent: signer.sign(well(sent), more=[issued]))
        assert went.get("results"), went

    def test_an_issuing_ca_where_cacerts_has_it(self, ask, ca, tmp_path):
        issuing = ca.create_child_ca()
        made = x509.load_der_x509_certificate(issue(issuing, KEY.public_key()))
        bag = [made.public_bytes(Encoding.PEM)]
        signer = CaSigner(tmp_path, issuing)
        known = der(issuing.cert_pem.bytes())
        went, _ = ask(lambda sent: signer.sign(well(sent), more=bag), cas=[known])
        assert went.get("results"), went
        went = ask(lambda sent: signer.sign(well(sent), more=bag))
        fails(went, "TrustError", "neither the CA nor a registration authority")

    @pytest.mark.parametrize("options", [(), PSS])
    def test_an_rsa_key(self, ask, ca, issued, tmp_path, options):
        signer = Signer(tmp_path, ca, rsa_key(2048))
        went, _ = ask(lambda sent: signer.sign(well(sent), *options, more=[issued]))
        assert went.get("results"), went

    def test_a_key_of_the_ca_for_cmc_alone(self, ask, ca, issued, tmp_path):
        """RFC 6402 2.10: id-kp-cmcCA, in a certificate that the CA itself issued."""
        usage = (ObjectIdentifier("1.3.6.1.5.5.7.3.27"),)
        key = ec.generate_private_key(ec.SECP256R1())
        signer = Signer(tmp_path, ca, key, usages=usage)
        went, _ = ask(lambda sent: signer.sign(well(sent), more=[issued]))
        assert went.get("results"), went
        signer = Signer(tmp_path, ca, key, usages=usage, digital_signature=False)
        went = ask(lambda sent: signer.sign(well(sent), more=[issued]))
        fails(went, "TrustError", "neither the CA nor a registration authority")

    def test_those_who_may_not(self, ask, ca, issued, tmp_path):
        neither = "neither the CA nor a registration authority"
        for whose, more, text in (
            (ca, {"usages": (SERVER_AUTH,)}, neither),
            (ca, {"usages": ()}, neither),
            (ca, {"digital_signature": False}, neither),
            (trustme.CA(), {}, "no path to a trust anchor"),
        ):
            signer = Signer(tmp_path, whose, ec.generate_private_key(ec.SECP256R1()), **more)
            # Who may not say yes may not say no either.
            for make in (well, badly(der_writer.integer(2), der_writer.integer(2))):
                went = ask(lambda sent, m=make, s=signer: s.sign(m(sent), more=[issued]))
                fails(went, "TrustError", text)

    def test_another_ca_or_one_that_the_server_brings_along(self, ask, ca, issued, tmp_path):
        signer = CaSigner(tmp_path, trustme.CA())
        went = ask(lambda sent: signer.sign(well(sent), more=[issued]))
        fails(went, "TrustError", "no path to a trust anchor")

    def test_nobody_signed_or_the_certificate_is_missing(self, ask, registrar, issued):
        def unsigned(sent):
            message = registrar.sign(well(sent), more=[issued])
            return resigned(message, lambda signers: b"")

        fails(ask(unsigned), "TrustError", "nobody signed")
        went = ask(lambda sent: registrar.sign(well(sent), "-nocerts"))
        fails(went, "TrustError", "is not there")

    def test_signed_twice(self, ask, registrar, issued):
        def twice(sent):
            message = registrar.sign(well(sent), more=[issued])
            return resigned(message, lambda signers: signers * 2)

        fails(ask(twice), "DerError")


class TestTampering:
    @pytest.mark.parametrize("what", ["content", "signature", "attributes"])
    def test_an_octet_changed(self, ask, registrar, issued, what):
        def make(sent):
            message = registrar.sign(well(sent), more=[issued])
            at = {
                "content": message.index(bytes(range(16))),  # senderNonce
                "signature": len(message) - 3,
                "attributes": message.rindex(bytes.fromhex("06092a864886f70d010905")) + 16,
            }[what]
            return message[:at] + bytes((message[at] ^ 1,)) + message[at + 1 :]

        went = ask(make)
        fails(went, "TrustError", "PKI Response")

    def test_without_signed_attributes(self, ask, registrar, issued):
        went = ask(lambda sent: registrar.sign(well(sent), "-noattr", more=[issued]))
        fails(went, "DerError", "signed attributes")

    def test_another_content(self, ask, registrar, issued):
        for kind in (PKI_DATA, "1.2.840.113549.1.7.1"):
            went = ask(lambda sent, k=kind: registrar.sign(well(sent), kind=k, more=[issued]))
            fails(went, "ProtocolError", "no PKI Response")

    def test_a_response_to_another_request(self, ask, registrar, issued):
        other = der_writer.integer(4711), der_writer.tlv(asn1.OCTET_STRING, bytes(16))
        for kept in (5, 7):

            def make(sent, kept=kept):
                transaction = sent.transaction if kept == 5 else other[0]
                nonce = sent.nonce if kept == 7 else other[1]
                echo = control(2, 5, transaction), control(3, 7, nonce)
                return registrar.sign(pki_response(status_info(), *echo), more=[issued])

            fails(ask(make), "ProtocolError", "answers another request")

            def without(sent, kept=kept):
                echo = control(2, kept, sent.transaction if kept == 5 else sent.nonce)
                return registrar.sign(pki_response(status_info(), echo), more=[issued])

            fails(ask(without), "ProtocolError", "lacks transactionId or recipientNonce")

    def test_truncations(self, ask, registrar, issued):
        for part in range(1, 7):

            def make(sent, part=part):
                message = registrar.sign(well(sent), more=[issued])
                return message[: len(message) * part // 7]

            fails(ask(make), "DerError")

    def test_more_than_the_board_takes(self, ask, registrar, issued):
        many = {"MAX_CERTIFICATES": 1}
        went = ask(lambda sent: registrar.sign(well(sent), more=[issued]), limits=many)
        fails(went, "LimitError", "more than 1 certificates")
        went = ask(lambda sent: registrar.sign(well(sent) + bytes(9000)))
        fails(went, "LimitError", "larger than 8192")
        flood = [control(9, 6, der_writer.tlv(asn1.OCTET_STRING))] * 40
        went = ask(lambda sent: registrar.sign(pki_response(*flood), more=[issued]))
        fails(went, "DerError", "more than 16 controls")


class TestStatus:
    @pytest.mark.parametrize("arc", [1, 25])
    def test_a_failure_in_words(self, ask, registrar, arc):
        text = der_writer.tlv(0x0C, "no such pump\r\n\u00e4".encode() + b"x" * 900)
        make = badly(der_writer.integer(2), text, der_writer.integer(2), arc=arc)
        went = ask(lambda sent: registrar.sign(make(sent)))
        fails(went, "ServerError", "failed", "badRequest", "not permitted", "no such pump")
        assert len(went[0]["error"]) < 320 and "\n" not in went[0]["error"]

    def test_statuses_that_are_no_success(self, ask, registrar, issued):
        extended = der_writer.tlv(0xA1, der_writer.oid(b"\x2a\x03"), SUCCESS)
        for status, more, text in (
            (5, (), "confirmRequired"),
            (7, (), "partial"),
            (1, (), "status 1"),
            (99, (), "status 99"),
            (2, (extended,), "failed"),
            (2, (der_writer.integer(77),), "failInfo 77"),
            (6, (der_writer.integer(8),), "popRequired"),
        ):
            make = badly(der_writer.integer(status), *more)
            went = ask(lambda sent, m=make: registrar.sign(m(sent), more=[issued]))
            fails(went, "ServerError", text)

    def test_pending_and_try_later(self, ask, registrar):
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=900)
        time = der_writer.tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())
        pending = der_writer.tlv(asn1.SEQUENCE, der_writer.tlv(asn1.OCTET_STRING, b"token"), time)
        make = badly(der_writer.integer(3), pending)
        went = ask(lambda sent: registrar.sign(make(sent)))
        fails(went, "RetryLater", "not yet", "pending")
        assert 800 < went[0]["retry_after"] <= 900
        make = badly(der_writer.integer(2), der_writer.integer(12))
        went = ask(lambda sent: registrar.sign(make(sent)))
        fails(went, "RetryLater", "tryLater")
        assert went[0]["retry_after"] is None

    def test_a_pki_response_with_an_error_status_is_told_in_words(self, ask, registrar):
        make = badly(der_writer.integer(2), der_writer.integer(1))
        went = ask(lambda sent: registrar.sign(make(sent)), "400 Bad Request")
        fails(went, "ServerError", "(400)", "badMessageCheck", "did not verify")
        went = ask(lambda sent: registrar.sign(make(sent)), "403 Forbidden")
        fails(went, "AuthError", "(403)", "badMessageCheck")
        for broken in (b"", b"\x30", b"\x30\x80" * 30):
            went = ask(lambda sent, b=broken: b, "500 Internal Server Error")
            fails(went, "ServerError", "(500)")

    def test_simpleenroll_is_told_so_too(self, device, context, anchor, registrar):
        said = pki_response(status_info(der_writer.integer(2), der_writer.integer(9)))
        body = base64.encodebytes(registrar.sign(said))
        script = answers(response(certs_only(anchor)), response(body, "400 Bad Request", TYPE))
        with ScriptedServer(script, context) as server:
            went = device.run("simpleenroll", port=server.port, anchors=[anchor], csr=CSR)
        assert went["class"] == "ServerError" and went["step"] == "simpleenroll"
        assert "(400)" in went["error"] and "popFailed" in went["error"]

    @pytest.mark.parametrize("status", ["404 Not Found", "501 Not Implemented"])
    def test_a_server_without_full_cmc(self, ask, status):
        went = ask(lambda sent: b"", status, "")
        fails(went, "ServerError", "does not implement Full CMC", status[:3])


class TestCertificates:
    def test_certs_only(self, ask, ca):
        bag = base64.b64decode(certs_only(issue(ca, KEY.public_key())))
        went, _ = ask(lambda sent: bag, content_type=CERTS_ONLY)
        assert went.get("results"), went

    def test_none_or_for_another_key_or_of_another_ca(self, ask, ca, registrar, anchor):
        def pem(*of, **more):
            made = x509.load_der_x509_certificate(issue(*of, **more))
            return made.public_bytes(Encoding.PEM)

        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        for bag, kind, text in (
            ([], "ProtocolError", "for another key"),
            ([pem(ca, other)], "ProtocolError", "for another key"),
            ([pem(trustme.CA(), KEY.public_key())], "TrustError", "no path to a trust anchor"),
            ([pem(ca, KEY.public_key(), is_ca=True)], "ProtocolError", "a CA certificate"),
        ):
            went = ask(lambda sent, b=bag: registrar.sign(well(sent), more=b))
            fails(went, kind, text)

    def test_an_old_certificate_for_the_same_key_is_not_taken_for_the_new_one(
        self, ask, ca, registrar, issued
    ):
        old = issue(ca, KEY.public_key(), days=1)
        pem = x509.load_der_x509_certificate(old).public_bytes(Encoding.PEM)
        went, _ = ask(lambda sent: registrar.sign(well(sent), more=[pem, issued]), old=old)
        assert went["results"] == [
            x509.load_pem_x509_certificate(issued).public_bytes(Encoding.DER).hex()
        ]

    def test_an_unverified_server_is_not_asked(self, device, context, anchor):
        script = answers(response(certs_only(anchor)))
        with ScriptedServer(script, context) as server:
            went = device.run(
                "fullcmc", port=server.port, fingerprint="00" * 32, csr=CSR, signer=octets(KEY)
            )
        assert went["class"] == "TrustError"
        assert [sent.head.split(" ")[0] for sent in server.requests] == ["GET"]


def resigned(message, change):
    """Return SignedData with other signerInfos."""
    info = asn1.sequence(message)
    kind = bytes(info.element())
    signed = info.enter(0xA0).enter()
    parts = []
    while signed.more():
        parts.append(bytes(signed.element()))
    infos = asn1.Reader(parts[-1]).enter(asn1.SET)
    body = change(bytes(infos.element()))
    parts[-1] = der_writer.tlv(asn1.SET, body)
    return der_writer.tlv(
        asn1.SEQUENCE, kind, der_writer.tlv(0xA0, der_writer.tlv(asn1.SEQUENCE, *parts))
    )
