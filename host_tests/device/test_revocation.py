"""est_revocation in each interpreter: CRLs over plain HTTP from a server that a test scripts."""

import datetime
import ipaddress
import ssl
import time

import pytest
from certs_only import certs_only
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from estctl.server.certificates import serial_text
from pki import der, der_writer
from probing import HEAP
from scripted_server import ScriptedServer, answers, response
from test_path import DAY, KEYS, LEAF, NOW, ROOT, certificate

ECDSA_SHA256 = der_writer.tlv(der.SEQUENCE, bytes.fromhex("06082a8648ce3d040302"))
CRL_NUMBER = "551d14"
NOW_SECONDS = int(NOW.timestamp())


def utc(when):
    return der_writer.tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())


def entry(serial, reason=1, when=NOW - DAY):
    code = der_writer.tlv(der.OCTET_STRING, der_writer.tlv(0x0A, bytes([reason])))
    reasons = der_writer.tlv(
        der.SEQUENCE, der_writer.tlv(der.SEQUENCE, bytes.fromhex("0603551d15"), code)
    )
    return der_writer.tlv(der.SEQUENCE, der_writer.integer(serial), utc(when), reasons)


def extension(oid, value, critical=False):
    flag = b"\x01\x01\xff" if critical else b""
    kind = der_writer.tlv(der.OID, bytes.fromhex(oid))
    return der_writer.tlv(der.SEQUENCE, kind, flag, der_writer.tlv(der.OCTET_STRING, value))


def crl(
    issuer="ca",
    key=1,
    entries=b"",
    start=NOW - DAY,
    end=NOW + DAY,
    signed_by=None,
    extensions=(),
    number=7,
):
    """The DER of a CRL; entries: DER of all of them; issuer: a common name."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]).public_bytes()
    extensions = (extension(CRL_NUMBER, der_writer.integer(number)), *extensions)
    tbs = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(1),
        ECDSA_SHA256,
        name,
        utc(start),
        utc(end) if end else b"",
        der_writer.tlv(der.SEQUENCE, entries) if entries else b"",
        der_writer.tlv(0xA0, der_writer.tlv(der.SEQUENCE, *extensions)),
    )
    key = KEYS[key if signed_by is None else signed_by]
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA256()))
    return der_writer.tlv(der.SEQUENCE, tbs, ECDSA_SHA256, der_writer.bit_string(signature))


def ok(body, head="HTTP/1.1 200 OK"):
    return b"%s\r\nContent-Length: %d\r\n\r\n%s" % (head.encode(), len(body), body)


@pytest.fixture
def web():
    """A plain HTTP server; `answers` is to be filled: path to bytes, or function of Connection."""

    def script(connection):
        request = connection.read_request()
        answer = server.answers.get(request.head.split(" ")[1])
        if callable(answer):
            answer(connection)
        else:
            connection.send(answer or ok(b"", "HTTP/1.1 404 Not Found"))

    with ScriptedServer(script, None) as server:
        server.answers = {}
        yield server


def points(*uris):
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False


def chain(server):
    """Leaf, CA and root; /leaf and /ca of the server are where the CRLs are."""
    here = f"http://127.0.0.1:{server.port}/"
    leaf = certificate("leaf", 5, "ca", 1, ca=False, more=[points(here + "leaf")])
    return [leaf, certificate("ca", 1, "root", 0, more=[points(here + "ca")]), ROOT]


def serial(raw):
    return x509.load_der_x509_certificate(raw).serial_number


def look_up(device, ders, policy="hard", heap=None, beside=(), **limits):
    wish = {
        "do": "look_up",
        "authorities": [raw.hex() for raw in beside],
        "chain": [raw.hex() for raw in ders],
        "policy": policy,
        "now": NOW_SECONDS,
        "limits": limits,
    }
    return device.pki(wish, **({"heap": heap} if heap else {}))[0]


GOOD_CA = ok(crl("root", 0))


def test_nothing_is_revoked(device, web):
    web.answers = {"/leaf": ok(crl(entries=entry(5))), "/ca": GOOD_CA}
    assert look_up(device, chain(web)) == {"ok": []}
    lines = [request.head.split("\r\n")[0] for request in web.requests]
    assert lines == ["GET /ca HTTP/1.1", "GET /leaf HTTP/1.1"]


def test_a_revoked_certificate_is_refused_whatever_the_policy(device, web):
    leaf, ca, root = chain(web)
    for revoked, path, issuer, key in ((leaf, "/leaf", "ca", 1), (ca, "/ca", "root", 0)):
        listed = entry(9) + entry(serial(revoked), 4) + entry(12)
        web.answers = {"/leaf": ok(crl()), "/ca": GOOD_CA, path: ok(crl(issuer, key, listed))}
        text = "certificate CN=%s (serial %s) was revoked on 2026-05-31 00:00:00Z: it was super"
        for policy in ("soft", "hard"):
            answer = look_up(device, [leaf, ca, root], policy)
            assert answer["class"] == "TrustError"
            found = serial_text(x509.load_der_x509_certificate(revoked))
            assert text % (path[1:], found) in answer["error"]


def test_a_revoked_ca_does_not_vouch_for_itself(device, web):
    """Who stole its key can issue a signer with the root's name, and have it revoke nothing."""
    here = f"http://127.0.0.1:{web.port}/"
    ca = certificate("ca", 1, "root", 0, more=[points(here + "ca")])
    web.answers = {"/leaf": ok(crl()), "/ca": ok(crl("root", 5))}
    thief = certificate("root", 5, "ca", 1, more=[points(here + "leaf")])
    leaf = certificate("leaf", 4, "ca", 1, ca=False, more=[points(here + "leaf")])
    for chain, beside in (([thief, ca, ROOT], []), ([leaf, ca, ROOT], [thief])):
        answer = look_up(device, chain, beside=beside)
        assert answer["class"] == "TrustError" and "without its CRL" in answer["error"], answer
        _, line = look_up(device, chain, "soft", beside=beside)["ok"][0]
        assert "depends on what it is about" in line, line


def test_a_revoked_certificate_whose_subject_is_no_text_is_refused_all_the_same(device, web):
    here = f"http://127.0.0.1:{web.port}/"
    leaf = certificate("le\taf", 5, "ca", 1, ca=False, more=[points(here + "leaf")])
    ca = chain(web)[1]
    web.answers = {"/leaf": ok(crl(entries=entry(serial(leaf)))), "/ca": GOOD_CA}
    answer = look_up(device, [leaf, ca, ROOT], "soft")
    assert answer["class"] == "TrustError" and "was revoked" in answer["error"], answer
    assert "\t" not in answer["error"]


def test_a_pointer_to_delta_crls_that_cannot_be_read_hides_nothing(device, web):
    leaf, ca, root = chain(web)
    broken = extension("551d2e", b"\x05\0")  # freshestCRL
    listed = crl(entries=entry(serial(leaf)), extensions=(broken,))
    web.answers = {"/leaf": ok(listed), "/ca": GOOD_CA}
    answer = look_up(device, [leaf, ca, root], "soft")
    assert answer["class"] == "TrustError" and "was revoked" in answer["error"], answer


def trickle(connection):
    """Send header lines for as long as the client listens."""
    connection.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1000):  # far longer than any pause of a busy machine
        connection.send(b"X-Wait: yes\r\n")
        time.sleep(0.1)


def trickled_body(connection):
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
    for octet in crl(entries=entry(5) * 1000):
        connection.send(bytes([octet]))
        time.sleep(0.1)


BAD = {
    "missing": (ok(b"", "HTTP/1.1 404 Not Found"), "HTTP status 404"),
    "redirect": (
        ok(b"", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/"),
        "redirects are not followed",
    ),
    "a page": (ok(b"<html>not a CRL</html>"), "DER"),
    "cut": (ok(crl()[:-9]), "too early"),
    "shorter than announced": (
        lambda connection: connection.send(ok(crl())[:-9]),
        "ended inside the body",
    ),
    "more behind it": (ok(crl() + b"\0"), "more bytes follow"),
    "forged": (ok(crl(signed_by=4)), "signature is wrong"),
    "expired": (ok(crl(start=NOW - 2 * DAY, end=NOW - DAY)), "the CRL has expired"),
    "of tomorrow": (ok(crl(start=NOW + DAY, end=NOW + 2 * DAY)), "not valid yet"),
    "without an end": (ok(crl(end=None)), "until when it is valid"),
    "of another CA": (ok(crl("other", 1)), "no CRL of its issuer"),
    "with an unknown critical extension": (
        ok(crl(extensions=[extension("2a0304", b"\5\0", True)])),
        "unknown critical extension 1.2.3.4",
    ),
    "too large": (ok(crl(entries=entry(5) * 3000)), "more than this board takes"),
    "too large without saying so": (
        lambda connection: connection.send(
            b"HTTP/1.0 200 OK\r\n\r\n" + b"\x30\x83\x00\xff\xff" * 40000
        ),
        "",
    ),
    "endless head": (trickle, "did not come within 1 s"),
    "endless body": (trickled_body, "did not come within 1 s"),
}


def test_a_crl_that_does_not_answer_is_refused_or_logged(device, web):
    ders = chain(web)
    for what, (answer, text) in BAD.items():
        web.answers = {"/leaf": answer, "/ca": GOOD_CA}
        limits = {
            "MAX_CRL": 65536,
            "CRL_TIMEOUT": 1 if "endless" in what else 20,
            "MAX_HEADERS": 2000,
        }
        hard = look_up(device, ders, "hard", **limits)
        assert hard["class"] == "TrustError" and text in hard["error"], (what, hard)
        assert "not known whether CN=leaf is revoked" in hard["error"]
        assert hard["error"].count(f"tried: http://127.0.0.1:{web.port}/leaf;") == 1
        soft = look_up(device, ders, "soft", **limits)
        assert len(soft["ok"]) == 1 and text in soft["ok"][0][1], (what, soft)


def test_soft_still_finds_the_revoked_one_below_an_unknown_one(device, web):
    leaf, ca, root = chain(web)
    web.answers = {"/leaf": ok(crl(entries=entry(serial(leaf))))}
    answer = look_up(device, [leaf, ca, root], "soft")
    assert "certificate CN=leaf" in answer["error"] and "was revoked" in answer["error"]


def test_one_of_two_addresses_is_enough(device, web):
    here = f"http://127.0.0.1:{web.port}/"
    both = points("ldap://127.0.0.1/x", here + "gone", here + "leaf?a=b")
    leaf = certificate("leaf", 5, "root", 0, ca=False, more=[both])
    web.answers = {"/leaf?a=b": GOOD_CA}
    assert look_up(device, [leaf, ROOT]) == {"ok": []}


def test_a_delta_crl_is_fetched_where_the_complete_one_says(device, web):
    here = f"http://127.0.0.1:{web.port}/"
    leaf = certificate("leaf", 5, "root", 0, ca=False, more=[points(here + "leaf")])
    newest = extension("551d2e", points(here + "delta")[0].public_bytes())
    delta = [extension("551d1b", der_writer.integer(6), True)]
    complete = crl("root", 0, entry(5), extensions=[newest])
    cases = [
        (crl("root", 0, entry(serial(leaf)), number=8, extensions=delta), "was revoked"),
        (crl("root", 0, entry(serial(leaf), 8), number=8, extensions=delta), None),
        # Not what the complete one says: too far ahead, not newer, forged, not there.
        (crl("root", 0, entry(serial(leaf)), extensions=delta), None),
        (crl("root", 0, entry(serial(leaf)), number=8, signed_by=4, extensions=delta), None),
        (b"", None),
    ]
    for body, text in cases:
        web.answers = {"/leaf": ok(complete), "/delta": ok(body)}
        answer = look_up(device, [leaf, ROOT])
        assert text in answer["error"] if text else answer == {"ok": []}
    assert web.requests[-1].head.startswith("GET /delta ")


def verified_with(authority, uri, path):
    """A TLS context for 127.0.0.1 whose certificate names the CRL at `uri`."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(77)
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([address]), True)
        .add_extension(points(uri)[0], False)
    )
    signer = load_pem_private_key(authority.private_key_pem.bytes(), None)
    done = builder.sign(signer, hashes.SHA256())
    kept = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(done.public_bytes(Encoding.PEM) + kept)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_server_that_does_not_wait_for_a_slow_crl(device, ca, anchor, web, tmp_path):
    issuer = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    now = datetime.datetime.now(datetime.timezone.utc)
    listed = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - DAY)
        .next_update(now + DAY)
        .sign(load_pem_private_key(ca.private_key_pem.bytes(), None), hashes.SHA256())
        .public_bytes(Encoding.DER)
    )

    def slow(connection):
        time.sleep(0.8)
        connection.send(ok(listed))

    def impatient(connection):
        connection.socket.settimeout(0.4)
        while connection.read_request():
            connection.send(response(certs_only(anchor)))

    web.answers = {"/crl": slow}
    context = verified_with(ca, f"http://127.0.0.1:{web.port}/crl", tmp_path / "server.pem")
    with ScriptedServer(impatient, context) as server:
        went = device.run("cacerts", port=server.port, anchors=[anchor], revocation="hard")
    assert went.get("results") == [[anchor.hex()]], went
    assert (server.connections, len(server.requests), len(web.requests)) == (2, 1, 1)


def test_a_crl_at_a_name_that_cannot_be(device, ca, anchor, tmp_path):
    for name in ("a..example", "a" * 70 + ".example"):
        context = verified_with(ca, f"http://{name}/crl", tmp_path / "server.pem")
        for policy in ("soft", "hard"):
            with ScriptedServer(answers(response(certs_only(anchor))), context) as server:
                went = device.run("cacerts", port=server.port, anchors=[anchor], revocation=policy)
            if policy == "soft":
                assert "results" in went, went
            else:
                assert went["class"] == "TrustError" and "without its CRL" in went["error"], went


def test_the_fetches_for_one_chain_are_counted(device, web):
    here = f"http://127.0.0.1:{web.port}/"
    leaf = certificate(
        "leaf", 5, "root", 0, ca=False, more=[points(*[f"{here}x{i}" for i in range(8)])]
    )
    ca = certificate("ca", 1, "root", 0, more=[points(*[f"{here}y{i}" for i in range(8)])])
    below = certificate("leaf", 5, "ca", 1, ca=False, more=[points(here + "z")])
    assert "HTTP status 404" in look_up(device, [leaf, ROOT])["error"]
    answer = look_up(device, [below, ca, ROOT], "soft")
    assert "more than 8 CRLs for one chain" in answer["ok"][1][1]
    assert not [request for request in web.requests if "/z" in request.head]


def test_what_is_not_plain_http_is_passed_over(device):
    other = points("ldap://127.0.0.1/cn=ca?certificateRevocationList", "https://127.0.0.1/ca.crl")
    leaf = certificate("leaf", 5, "root", 0, ca=False, more=[other])
    answer = look_up(device, [leaf, ROOT])
    assert "only http:// is fetched, passed over: ldap, https" in answer["error"]
    assert len(look_up(device, [leaf, ROOT], "soft")["ok"]) == 1


def test_a_certificate_without_a_crl_is_only_logged(device):
    lines = look_up(device, [LEAF, certificate("ca", 1, "root", 0), ROOT])["ok"]
    assert len(lines) == 2 and all("names no CRL: not looked up" in line for level, line in lines)
    assert look_up(device, [ROOT]) == {"ok": []}


@pytest.mark.parametrize("listed", [False, True])
def test_a_crl_larger_than_the_heap_is_searched(device, web, listed, torture):
    leaf, ca, root = chain(web)
    # The entries are 40 bytes each; 26500 of them are 1 MB, in a heap of 160 KB.
    many = [entry(1 << 120 | i) for i in range(150000 if torture else 26500)]
    if listed:
        many.insert(len(many) // 2, entry(serial(leaf)))
    whole = crl(entries=b"".join(many))
    assert len(whole) > 1 << 20
    web.answers = {"/leaf": ok(whole), "/ca": GOOD_CA}
    answer = look_up(device, [leaf, ca, root], heap=HEAP, MAX_CRL=8388608)
    if listed:
        assert "was revoked on" in answer["error"]
    else:
        assert answer == {"ok": []}


def judged(device, lists, **wish):
    """Judge LEAF below the CA of test_path by each list of CRLs (DER); return the answers."""
    common = {
        "do": "path",
        "leaf": LEAF.hex(),
        "pool": [certificate("ca", 1, "root", 0).hex()],
        "anchors": [ROOT.hex()],
        "now": NOW_SECONDS,
        **wish,
    }
    return device.pki(*({**common, "crls": [one.hex() for one in some]} for some in lists))


def test_no_damaged_crl_is_believed(device):
    top = crl("root", 0)
    good = crl(entries=entry(5) + entry(6))
    assert judged(device, [[top, good]]) == [{"ok": 2}]
    bad = [good[:cut] for cut in range(0, len(good), 7)]
    for at in range(0, len(good), 5):
        bad.append(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
    for answer in judged(device, [[top, one] for one in bad]):
        assert answer["class"] == "Undetermined", answer


def test_the_pieces_in_which_a_crl_arrives_do_not_matter(device):
    lists = [[crl("root", 0), crl(entries=entry(5) * 30)]]
    revoked = [[crl("root", 0), crl(entries=entry(5) * 30 + entry(serial(LEAF)) + entry(7))]]
    for piece in (1, 2, 3, 7, 61, 511, 512):
        assert judged(device, lists, piece=piece) == [{"ok": 2}]
        assert "was revoked" in judged(device, revoked, piece=piece)[0]["error"]


def test_a_crl_signer_must_be_of_the_same_anchor(device):
    # Another root certifies a CRL signer of the same name: its list says that all is well.
    other_root = certificate("other root", 4, "other root", 4)
    signer = certificate("ca", 3, "other root", 4)
    lists = [[crl("root", 0), crl(signed_by=3)]]
    pool = [certificate("ca", 1, "root", 0).hex(), signer.hex(), other_root.hex()]
    answer = judged(device, lists, pool=pool)[0]
    assert answer["class"] == "Undetermined" and "no path to a trust anchor" in answer["error"]
