"""Hypothesis strategies that build valid inputs: STRATEGIES gives one for each name in targets.py.

DER is made by the library's own writer. Sizes vary as real ones do, from nothing to a few items of
each kind; test_work.py makes them grow.
"""

import base64
import hashlib
import json

import fixed_keys
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from devid import pending, record, trust
from hypothesis import assume
from hypothesis import strategies as st
from pki import der, der_writer, oid_text
from targets import ISSUER, KEK

ECDSA = der_writer.tlv(0x30, der_writer.oid(oid_text.encode("1.2.840.10045.4.3.2")))
RSA = der_writer.tlv(0x30, der_writer.oid(oid_text.encode("1.2.840.113549.1.1.11")), b"\x05\x00")
PSS_HASH = der_writer.tlv(
    0x30, der_writer.oid(oid_text.encode("2.16.840.1.101.3.4.2.1")), b"\x05\x00"
)
PSS = der_writer.tlv(
    0x30,
    der_writer.oid(oid_text.encode("1.2.840.113549.1.1.10")),
    der_writer.tlv(
        0x30,
        der_writer.tlv(0xA0, PSS_HASH),
        der_writer.tlv(
            0xA1,
            der_writer.tlv(
                0x30, der_writer.oid(oid_text.encode("1.2.840.113549.1.1.8")), PSS_HASH
            ),
        ),
        der_writer.tlv(0xA2, der_writer.integer(32)),
    ),
)
KEYS = (fixed_keys.P256, fixed_keys.RSA)
SIGNED_DATA, DATA, ENVELOPED_DATA = (
    der_writer.oid(oid_text.encode(f"1.2.840.113549.1.7.{arc}")) for arc in (2, 1, 3)
)
PKI_RESPONSE = der_writer.oid(oid_text.encode("1.3.6.1.5.5.7.12.3"))
SHA256 = der_writer.tlv(0x30, der_writer.oid(oid_text.encode("2.16.840.1.101.3.4.2.1")))


def seq(*parts):
    return der_writer.tlv(0x30, *parts)


def joined(strategy, most=4, least=0):
    """Return a strategy of several of these, one behind the other."""
    return st.lists(strategy, min_size=least, max_size=most).map(b"".join)


oids = st.sampled_from(
    ["2.5.4.3", "1.2.840.113549.1.9.7", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.99999.18446744073709"]
).map(oid_text.encode) | st.lists(st.integers(0, 1 << 20), min_size=1, max_size=5).map(
    lambda arcs: oid_text.encode(".".join(map(str, [1, 3, *arcs])))
)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF), max_size=12).map(
    lambda text: "".join(c for c in text if not 0x7F <= ord(c) < 0xA0)
)
hosts = st.from_regex(r"[a-z][a-z0-9]{0,6}(\.[a-z]{2,5}){1,2}", fullmatch=True)
strings = (
    texts.map(lambda text: der_writer.tlv(0x0C, text.encode()))
    | hosts.map(lambda text: der_writer.tlv(0x13, text.encode()))
    | hosts.map(lambda text: der_writer.tlv(0x16, text.encode()))
    | hosts.map(lambda text: der_writer.tlv(0x1E, text.encode("utf-16-be")))
)
attributes = st.builds(lambda kind, value: seq(der_writer.oid(kind), value), oids, strings)
rdns = st.lists(attributes, min_size=1, max_size=2).map(der_writer.set_of)
names = joined(rdns).map(seq)
general_names = st.one_of(
    hosts.map(lambda text: der_writer.tlv(0x82, text.encode())),
    hosts.map(lambda text: der_writer.tlv(0x81, b"a@" + text.encode())),
    hosts.map(lambda text: der_writer.tlv(0x86, b"http://" + text.encode() + b"/a.crl")),
    st.binary(min_size=4, max_size=4).map(lambda octets: der_writer.tlv(0x87, octets)),
    st.binary(min_size=16, max_size=16).map(lambda octets: der_writer.tlv(0x87, octets)),
    oids.map(lambda kind: der_writer.tlv(0x88, kind)),
    names.map(lambda name: der_writer.tlv(0xA4, name)),
    st.builds(
        lambda kind, serial: der_writer.tlv(
            0xA0,
            der_writer.oid(oid_text.encode("1.3.6.1.5.5.7.8.4")),
            der_writer.tlv(0xA0, seq(der_writer.oid(kind), der_writer.tlv(4, serial))),
        ),
        oids,
        st.binary(max_size=8),
    ),
)
some_names = joined(general_names).map(seq)
utc_times = st.datetimes().map(
    lambda when: der_writer.tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
)
general_times = st.datetimes().map(
    lambda when: der_writer.tlv(0x18, f"{when.year:04}{when.strftime('%m%d%H%M%S')}Z".encode())
)
times = utc_times | general_times
serials = st.integers(1, (1 << 159) - 1).map(der_writer.integer)
algorithms_ = st.sampled_from([ECDSA, RSA, PSS])
flags = st.sampled_from([b"", b"\x01\x01\xff"])
simple_values = st.one_of(
    strings,
    st.integers(0, 1 << 200).map(der_writer.integer),
    st.binary(max_size=20).map(lambda octets: der_writer.tlv(4, octets)),
    st.just(b"\x05\x00"),
    oids.map(der_writer.oid),
    st.just(seq()),
)


def extension(dotted, values):
    """Return a strategy of an Extension with this OID."""
    return st.builds(
        lambda flag, value: seq(
            der_writer.oid(oid_text.encode(dotted)), flag, der_writer.tlv(4, value)
        ),
        flags,
        values,
    )


def context(n, parts):
    return der_writer.tlv(0xA0 + n, parts)


points = joined(
    st.builds(
        lambda names, issuers: seq(context(0, context(0, names)), issuers),
        joined(general_names, 3, 1),
        st.just(b"") | names.map(lambda name: context(2, der_writer.tlv(0xA4, name))),
    ),
    3,
).map(seq)
named_bits = st.integers(1, 511).map(der_writer.named_bits)
purposes = joined(oids.map(der_writer.oid), 4, 1).map(seq)
key_identifiers = st.binary(min_size=1, max_size=20)
constraints = st.builds(
    lambda permitted, excluded: seq(
        der_writer.tlv(0xA0, *[seq(name) for name in permitted]) if permitted else b"",
        der_writer.tlv(0xA1, *[seq(name) for name in excluded])
        if excluded or not permitted
        else b"",
    ),
    st.lists(general_names.filter(lambda name: name[0] in (0x81, 0x82, 0x86, 0xA4)), max_size=3),
    st.lists(general_names.filter(lambda name: name[0] in (0x81, 0x82, 0xA4)), max_size=3),
)
known_extensions = {
    "2.5.29.14": key_identifiers.map(lambda octets: der_writer.tlv(4, octets)),
    "2.5.29.15": named_bits,
    "2.5.29.17": some_names,
    "2.5.29.19": st.sampled_from([seq(), seq(b"\x01\x01\xff"), seq(b"\x01\x01\xff\x02\x01\x03")]),
    "2.5.29.30": constraints,
    "2.5.29.31": points,
    "2.5.29.35": key_identifiers.map(lambda octets: seq(der_writer.tlv(0x80, octets))),
    "2.5.29.37": purposes,
    "1.3.6.1.4.1.99999.1": simple_values,
}
extensions = st.lists(st.sampled_from(sorted(known_extensions)), unique=True, max_size=6).flatmap(
    lambda kinds: st.tuples(*[extension(kind, known_extensions[kind]) for kind in kinds])
)
public_keys = st.sampled_from([key.spki for key in KEYS])


def certificate(serial, algorithm, issuer, start, end, subject, public, more, signature):
    more = context(3, seq(*more)) if more else b""
    version = context(0, der_writer.integer(2)) if more else b""
    tbs = seq(version, serial, algorithm, issuer, seq(start, end), subject, public, more)
    return seq(tbs, algorithm, der_writer.bit_string(signature))


certificates = st.builds(
    certificate,
    serials,
    algorithms_,
    names,
    times,
    times,
    names,
    public_keys,
    extensions,
    st.binary(min_size=8, max_size=72),
)
BEFORE, AFTER = der_writer.tlv(0x17, b"250101000000Z"), der_writer.tlv(0x17, b"450101000000Z")


def requests_(subject, public, attributes):
    information = seq(der_writer.integer(0), subject, public, der_writer.tlv(0xA0, *attributes))
    return seq(information, ECDSA, der_writer.bit_string(b"0" * 64))


requests = st.builds(requests_, names, public_keys, st.lists(attributes, max_size=2))
extension_requests = extensions.map(lambda found: seq(*found))


def attribute(dotted, *values):
    return seq(der_writer.oid(oid_text.encode(dotted)), der_writer.tlv(0x31, *values))


EXTENSION_REQUEST, TEMPLATE = "1.2.840.113549.1.9.14", "1.2.840.113549.1.9.16.2.61"
csrattrs_items = st.one_of(
    oids.map(der_writer.oid),
    st.sampled_from(["1.2.840.10045.4.3.2", "1.2.840.113549.1.9.7"])
    .map(oid_text.encode)
    .map(der_writer.oid),
    st.builds(
        lambda kind, values: seq(der_writer.oid(kind), der_writer.tlv(0x31, *values)),
        oids,
        st.lists(simple_values, max_size=3),
    ),
    st.just(attribute("1.2.840.10045.2.1", der_writer.oid(oid_text.encode("1.3.132.0.34")))),
    st.just(attribute("1.2.840.113549.1.1.1", der_writer.integer(4096))),
)
csrattrs_old = st.builds(
    lambda items, wanted: seq(items, wanted),
    joined(csrattrs_items),
    st.just(b"") | extension_requests.map(lambda wanted: attribute(EXTENSION_REQUEST, wanted)),
)
template_subjects = joined(
    st.builds(
        lambda kind, value: der_writer.tlv(0x31, seq(der_writer.oid(kind), value)),
        oids,
        st.just(b"") | strings,
    )
).map(seq)
template_extensions = st.lists(
    st.sampled_from(sorted(known_extensions)), unique=True, max_size=4
).flatmap(
    lambda kinds: st.tuples(
        *[
            st.builds(
                lambda kind, flag, value: seq(der_writer.oid(oid_text.encode(kind)), flag, value),
                st.just(kind),
                flags,
                st.just(b"") | known_extensions[kind].map(lambda value: der_writer.tlv(4, value)),
            )
            for kind in kinds
        ]
    ).map(lambda found: attribute("1.2.840.113549.1.9.16.2.62", seq(*found)))
)
template_keys = st.sampled_from(
    [
        b"",
        context(0, seq(der_writer.oid(oid_text.encode("1.2.840.10045.2.1")))),
        context(0, seq(der_writer.oid(oid_text.encode("1.2.840.113549.1.1.1")))),
        context(0, KEYS[0].spki[2:]),
        context(0, KEYS[1].spki[4:]),
    ]
)
csrattrs_template = st.builds(
    lambda subject, key, wanted: seq(
        attribute(TEMPLATE, seq(der_writer.integer(0), subject, key, der_writer.tlv(0xA1, wanted)))
    ),
    st.just(b"") | template_subjects,
    template_keys,
    st.just(b"") | template_extensions,
)


def cms(content, bag, signers=b"", kind=DATA):
    """Return SignedData around content (DER, or b"" for none)."""
    inner = seq(kind, context(0, der_writer.tlv(4, content)) if content else b"")
    bag = context(0, bag) if bag else b""
    signed = seq(
        der_writer.integer(3),
        der_writer.tlv(0x31, SHA256),
        inner,
        bag,
        der_writer.tlv(0x31, signers),
    )
    return seq(SIGNED_DATA, context(0, signed))


def indefinite(octets, levels=4):
    """Return a CMS message as BER: indefinite lengths, but not inside of its certificates."""
    reader = der.Reader(octets)
    tag = reader.peek()
    inside = reader.enter(tag)
    parts = []
    while inside.more():
        one = bytes(inside.element())
        wraps = levels > 1 and (one[0] == 0xA0 or (tag == 0xA0 and one[0] == 0x30))
        parts.append(indefinite(one, levels - 1) if wraps else one)
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


bags = joined(certificates, 3, 1)
certs_only = bags.map(lambda bag: cms(b"", bag))
certs_only |= certs_only.map(indefinite)


def control(arc, *values):
    return seq(
        der_writer.integer(1),
        der_writer.oid(oid_text.encode(f"1.3.6.1.5.5.7.7.{arc}")),
        der_writer.tlv(0x31, *values),
    )


status_infos = st.builds(
    lambda arc, status, said, more: control(
        arc, seq(der_writer.integer(status), seq(der_writer.integer(1)), said, more)
    ),
    st.sampled_from([1, 25]),
    st.integers(0, 12),
    st.just(b"") | texts.map(lambda text: der_writer.tlv(0x0C, text.encode())),
    st.just(b"")
    | st.integers(0, 15).map(der_writer.integer)
    | general_times.map(lambda when: seq(der_writer.tlv(4, b"token"), when)),
)
controls = joined(
    status_infos
    | st.builds(
        lambda kind, value: seq(
            der_writer.integer(4), der_writer.oid(kind), der_writer.tlv(0x31, value)
        ),
        oids,
        simple_values,
    ),
    3,
)  # fmt: skip
pki_responses = controls.map(
    lambda found: seq(
        seq(control(5, b"\x02\x01\x05"), control(7, b"\x04\x01\x06"), found), seq(), seq()
    )
)


def signer_info(content, issuer, serial, signature):
    attributes = der_writer.set_of(
        [
            attribute("1.2.840.113549.1.9.3", PKI_RESPONSE),
            attribute("1.2.840.113549.1.9.4", der_writer.tlv(4, hashlib.sha256(content).digest())),
        ]
    )
    return seq(
        der_writer.integer(1),
        seq(issuer, serial),
        SHA256,
        b"\xa0" + attributes[1:],
        ECDSA,
        der_writer.tlv(4, signature),
    )


@st.composite
def cmc_messages(draw):
    """A signed PKIResponse, whose signature is of a right form and wrong."""
    content = draw(pki_responses)
    issuer, serial = draw(names), draw(serials)
    one = certificate(
        serial,
        ECDSA,
        issuer,
        BEFORE,
        AFTER,
        draw(names),
        KEYS[0].spki,
        draw(extensions),
        b"0" * 70,
    )
    signature = seq(der_writer.integer(draw(st.integers(1, 1 << 255))), der_writer.integer(5))
    signers = signer_info(content, issuer, serial, signature)
    message = cms(content, one, signers, PKI_RESPONSE)
    return indefinite(message) if draw(st.booleans()) else message


def padded(plain):
    size = 16 - len(plain) % 16
    return plain + bytes([size]) * size


AES_CBC, AES_WRAP = (oid_text.encode(f"2.16.840.1.101.3.4.1.{arc}") for arc in (42, 45))


def enveloped(plain, recipient, content_key=b"k" * 32):
    cipher = Cipher(algorithms.AES(content_key), modes.CBC(bytes(16))).encryptor()
    encrypted = cipher.update(padded(plain)) + cipher.finalize()
    inner = seq(
        DATA,
        seq(der_writer.oid(AES_CBC), der_writer.tlv(4, bytes(16))),
        der_writer.tlv(0x80, encrypted),
    )
    message = seq(der_writer.integer(2), der_writer.tlv(0x31, recipient), inner)
    return seq(ENVELOPED_DATA, context(0, message))


def for_shared_key(key=b"k" * 32):
    wrap = seq(der_writer.oid(AES_WRAP))
    return context(
        2,
        der_writer.integer(4)
        + seq(der_writer.tlv(4, KEK[0]))
        + wrap
        + der_writer.tlv(4, aes_key_wrap(KEK[1], key)),
    )


private_keys = st.sampled_from([form for key in KEYS for form in key.forms])
packages = private_keys | private_keys.map(seq)
decrypted = packages | packages.map(
    lambda package: cms(
        package, b"", b"", der_writer.oid(oid_text.encode("2.16.840.1.101.2.1.2.78.5"))
    )
)
enveloped_data = decrypted.map(lambda plain: enveloped(plain, for_shared_key()))


def for_own_key(sealed):
    """Return a KeyAgreeRecipientInfo by ephemeral ECDH; what it wraps opens for nobody."""
    originator = context(0, context(1, seq(der_writer.oid(oid_text.encode("1.2.840.10045.2.1")))
                                    + der_writer.bit_string(KEYS[0].spki[-65:])))  # fmt: skip
    scheme = seq(der_writer.oid(oid_text.encode("1.3.132.1.11.1")), seq(der_writer.oid(AES_WRAP)))
    keys = seq(seq(seq(ISSUER, der_writer.integer(1)), der_writer.tlv(4, sealed)))
    return context(1, der_writer.integer(3) + originator + scheme + keys)


enveloped_ecdh = st.binary(min_size=40, max_size=40).map(
    lambda sealed: enveloped(b"0" * 40, for_own_key(sealed))
)
entries = st.builds(
    lambda serial, when, reason: seq(der_writer.integer(serial), when, reason),
    st.integers(1, 9) | st.integers(1, 1 << 150),
    times,
    st.sampled_from(
        [b"", seq(seq(der_writer.oid(b"\x55\x1d\x15"), der_writer.tlv(4, b"\x0a\x01\x01")))]
    )
    | names.map(
        lambda name: seq(
            seq(
                der_writer.oid(b"\x55\x1d\x1d"),
                b"\x01\x01\xff",
                der_writer.tlv(4, seq(der_writer.tlv(0xA4, name))),
            )
        )
    ),
)
scopes = st.builds(
    lambda names, flag: seq(context(0, context(0, names)), flag),
    joined(general_names, 3, 1),
    st.sampled_from([b"", b"\x81\x01\xff", b"\x82\x01\xff", b"\x83\x02\x01\x06\x84\x01\xff"]),
)
crl_extensions = st.builds(
    lambda number, scope, identifier: context(
        0,
        seq(
            seq(der_writer.oid(b"\x55\x1d\x14"), der_writer.tlv(4, der_writer.integer(number))),
            seq(der_writer.oid(b"\x55\x1d\x1c"), b"\x01\x01\xff", der_writer.tlv(4, scope)),
            seq(
                der_writer.oid(b"\x55\x1d\x23"),
                der_writer.tlv(4, seq(der_writer.tlv(0x80, identifier))),
            ),
        ),
    ),
    st.integers(0, 1 << 64),
    scopes,
    key_identifiers,
)


def crl(algorithm, issuer, this, upcoming, entries, more):
    version = der_writer.integer(1) if more else b""
    tbs = seq(version, algorithm, issuer, this, upcoming, seq(entries) if entries else b"", more)
    return seq(tbs, algorithm, der_writer.bit_string(b"s" * 70))


crls = st.builds(
    crl,
    st.sampled_from([ECDSA, RSA]),
    st.just(ISSUER) | names,
    times,
    st.just(b"") | times,
    joined(entries, 6),
    st.just(b"") | crl_extensions,
)


def pem(kind, octets, width=64):
    text = base64.b64encode(octets).decode()
    lines = [text[i : i + width] for i in range(0, len(text), width)]
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----\n"]).encode()


pem_files = st.lists(certificates, min_size=1, max_size=3).map(
    lambda ders: b"".join(pem("CERTIFICATE", one) for one in ders)
)
pem_files |= certificates
base64_texts = certs_only.map(base64.encodebytes) | certs_only.map(base64.b64encode)
bodies = base64_texts | pem_files | certs_only.map(lambda octets: pem("PKCS7", octets) + b"note\n")

statuses = st.sampled_from([200, 200, 200, 201, 202, 204, 302, 400, 401, 403, 404, 429, 500, 503])
challenges = st.lists(
    st.sampled_from(
        [
            'Basic realm="EST"',
            'Digest realm="a\\"b", nonce="n1", qop="auth, auth-int", algorithm=SHA-256',
            'Digest realm="r", nonce=n2, opaque="o", algorithm=MD5-sess, qop=auth',
            'Bearer scope="a b"',
            "Negotiate YWJj==",
            'Digest realm="r", nonce="n3", stale=TRUE, charset=UTF-8',
        ]
    ),
    min_size=1,
    max_size=3,
).map(", ".join)
dates = st.datetimes().map(
    lambda when: when.strftime("%a, %d %b ") + f"{when.year:04}" + when.strftime(" %H:%M:%S GMT")
)
waits = st.integers(0, 1 << 40).map(str) | dates


def chunks(body, sizes):
    out = []
    for size in sizes:
        if body:
            out.append(b"%x;n=v\r\n%s\r\n" % (len(body[:size]), body[:size]))
            body = body[size:]
    if body:
        out.append(b"%X\r\n%s\r\n" % (len(body), body))
    return b"".join(out) + b"0\r\nTrailer: 1\r\n\r\n"


@st.composite
def http_answers(draw):
    """A whole answer, framed in one of the three ways, after interim ones or not."""
    status = draw(statuses)
    body = b"" if status == 204 else draw(bodies if status < 202 else st.just(b"no"))
    lines = [f"HTTP/1.1 {status} Said"]
    if draw(st.booleans()):
        lines.append(
            draw(st.sampled_from(["Connection: close", "connection: keep-alive", "X-Odd:  a:b "]))
        )
    if status < 202:
        lines.append("Content-Type: application/pkcs7-mime; smime-type=certs-only")
    if status in (202, 429, 503):
        lines.append("Retry-After: " + draw(waits))
    if status == 401:
        lines.append("WWW-Authenticate: " + draw(challenges))
    if status == 302:
        lines.append("Location: " + draw(locations))
    framing = draw(st.sampled_from(["length", "chunked", "close"]))
    if framing == "length" and status != 204:
        lines.append(f"Content-Length: {len(body)}")
    elif framing == "chunked" and status != 204:
        lines.append("Transfer-Encoding: chunked")
        body = chunks(body, draw(st.lists(st.integers(1, 300), max_size=4)))
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" * draw(st.integers(0, 2))
    return interim + "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@st.composite
def multipart_bodies(draw):
    """What /serverkeygen answers: the Content-Type's line, then the parts."""
    boundary = draw(st.from_regex(r"[a-zA-Z0-9'()+_,./:=?-]{1,30}", fullmatch=True))
    end = draw(st.sampled_from(["\r\n", "\n"]))
    parts = [
        ("application/pkcs8", draw(private_keys)),
        ("application/pkcs7-mime; smime-type=certs-only", draw(certs_only)),
    ]
    # Both together have to be within targets.Limits.MAX_BODY.
    assume(sum(len(octets) for _, octets in parts) <= 4096)
    if draw(st.booleans()):
        parts.reverse()
    lines = ["a preamble"] if draw(st.booleans()) else []
    for kind, octets in parts:
        lines += ["--" + boundary, "Content-Type: " + kind, "Content-Transfer-Encoding: base64"]
        lines += ["", base64.encodebytes(octets).decode().replace("\n", end).rstrip()]
    lines += ["--" + boundary + "--", ""]
    header = f'multipart/mixed; boundary="{boundary}"\n'
    return (header + end.join(lines)).encode()


ports = st.just("") | st.integers(1, 65535).map(lambda port: f":{port}")
paths = st.from_regex(r"(/[a-z.?=&]{0,6}){0,4}", fullmatch=True)
urls = st.builds(
    "{}{}{}{}".format, st.sampled_from(["https://", "http://", ""]), hosts, ports, paths
)
locations = urls | paths | st.sampled_from(["//est.example.com/a", "?x", "..", "../../a/./b"])


def _some(optional):
    """Return a strategy of dicts with some of these names."""
    return st.fixed_dictionaries({}, optional=optional)


settings = st.builds(
    lambda url, subject, more: json.dumps(
        {"url": url, "subject": subject, **more}, ensure_ascii=False
    ).encode(),
    st.builds("https://{}{}{}".format, hosts, ports, st.sampled_from(["", "/a", "/b/"])),
    hosts.map(lambda host: "CN=" + host),
    _some(
        {
            "trust": st.sampled_from([{}, {"fingerprint": "ab" * 32}, {"implicit": False}]),
            "credential": st.sampled_from(
                [{}, {"user": "u", "password": "p"}, {"token": "t", "at_once": True}]
                + [{"psk_identity": "i", "psk_key": "00" * 16, "keep": True}, {"spent": True}]
            ),
            "san": st.lists(hosts.map(lambda host: "dns:" + host), max_size=3),
            "redirects": st.lists(hosts, max_size=2),
            "csrattrs": st.booleans(),
            "link": st.sampled_from(["optional", "required"]),
            "renew_at": st.sampled_from([0.1, 0.5, 0.9]),
            "max_wait": st.integers(0, 1 << 20),
            "wifi": st.fixed_dictionaries({"ssid": texts, "password": texts}),
            "ntp": st.booleans() | hosts,
        }
    ),
)
identities = st.builds(
    lambda key, certificate, chain: b"".join(
        record.parts(record.Record(key, certificate, list(chain)))
    ),
    private_keys,
    certificates,
    st.lists(certificates, max_size=2),
)
pendings = st.builds(
    lambda until, tries, reason, key, request, chain, wish: b"".join(
        pending.parts(pending.Pending(until, tries, reason, key, request, b"", list(chain), wish))
    ),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 16),
    texts,
    private_keys,
    requests,
    st.lists(certificates, max_size=2),
    st.binary(min_size=32, max_size=32),
)


@st.composite
def trusts(draw):
    """A trust record (devid.trust)."""
    found = trust.Trust()
    found.anchors = draw(st.lists(certificates, max_size=2))
    found.authorities = draw(st.lists(certificates, max_size=2))
    found.implicit_off = draw(st.booleans())
    found.origin, found.candidate_subject = draw(texts), draw(texts)
    found.pin = draw(st.binary(max_size=32))
    return b"".join(trust.parts(found))


def slot(sequence, items):
    """Return a slot of devid.store with its commit record."""
    numbers = [sequence] + [len(item) for item in items]
    content = b"EST\x01" + b"".join(n.to_bytes(4, "big") for n in numbers) + b"".join(items)
    return content + hashlib.sha256(content).digest()


slots = st.builds(
    slot,
    st.integers(1, 0xFFFFFFFE),
    st.tuples(
        st.just(b"") | identities,
        st.just(b"") | trusts(),
        st.just(b"") | pendings,
        st.just(b"") | st.integers(0, 1 << 32).map(lambda when: when.to_bytes(5, "big")),
    ),
)

STRATEGIES = {
    "algorithm": algorithms_,
    "argument": st.sampled_from([b"ab" * 32, b"ab:" * 31 + b"ab", b"label", b"10.0.0.1", b"::1"]),
    "body": bodies,
    "challenge": st.builds(
        lambda header, info: (header + "\n" + info).encode(),
        challenges,
        st.sampled_from(["", 'nextnonce="n9", qop=auth', "nextnonce=x"]),
    ),
    "cmc": cmc_messages() | certs_only,
    "cmc_status": pki_responses,
    "cms": certs_only,
    "crl": crls,
    "crl_uri": st.builds("http://{}{}/a.crl".format, hosts, ports).map(str.encode),
    "csrattrs": csrattrs_old | csrattrs_template,
    "decrypted": decrypted,
    "der": certificates | crls,
    "distribution_points": points | scopes,
    "enveloped": enveloped_data,
    "enveloped_ecdh": enveloped_ecdh,
    "extension_request": extension_requests,
    "general_name": some_names,
    "http": http_answers(),
    "identity": identities,
    "location": locations.map(str.encode),
    "multipart": multipart_bodies(),
    "name": names,
    "name_constraints": st.builds(seq, constraints, certificates),
    "oid": oids,
    "pem": pem_files,
    "pending": pendings,
    "private_key": private_keys,
    "public_key": public_keys,
    "request": requests,
    "retry_after": waits.map(str.encode),
    "settings": settings,
    "signature": st.builds(seq, serials, serials),
    "slot": slots,
    "time": times,
    "trust": trusts(),
    "url": urls.map(str.encode),
    "wish": st.builds("CN={}\ndns:{}\nserverAuth".format, hosts, hosts).map(str.encode),
    "x509": certificates,
}
