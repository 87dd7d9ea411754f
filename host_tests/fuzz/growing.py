"""Inputs that grow by their number of items: what shows whether work grows faster than they do."""

import base64

from pki import der_writer, oid_text
from structures import (
    AFTER,
    BEFORE,
    ECDSA,
    EXTENSION_REQUEST,
    KEYS,
    TEMPLATE,
    attribute,
    certificate,
    cms,
    context,
    control,
    crl,
    enveloped,
    for_shared_key,
    indefinite,
    pem,
    seq,
)
from targets import ISSUER

CHUNKED = b"200 OK\r\nTransfer-Encoding: chunked"


def _oid(i):
    return oid_text.encode(f"1.3.6.1.4.1.{i}")


def _extension(i):
    return seq(der_writer.oid(_oid(i)), der_writer.tlv(4, b"\x05\x00"))


def _known(dotted, value):
    return seq(der_writer.oid(oid_text.encode(dotted)), der_writer.tlv(4, value))


def _rdn(i):
    return der_writer.tlv(0x31, seq(der_writer.oid(_oid(i)), der_writer.tlv(0x0C, b"v")))


def _name(n):
    return seq(*[_rdn(i) for i in range(n)])


def _named(tag, value):
    return seq(der_writer.tlv(0x31, seq(der_writer.oid(_oid(1)), der_writer.tlv(tag, value))))


def _dns(i):
    return der_writer.tlv(0x82, b"h%d.a" % i)


def _names(n):
    return seq(*[_dns(i) for i in range(n)])


def _certificate(*extensions, subject=ISSUER):
    return certificate(
        b"\x02\x01\x05", ECDSA, ISSUER, BEFORE, AFTER, subject, KEYS[0].spki, extensions, b"0" * 70
    )


def _many(n, make):
    return [make(i) for i in range(n)]


def _pki_response(n):
    found = _many(
        n,
        lambda i: seq(
            der_writer.integer(i), der_writer.oid(_oid(i)), der_writer.tlv(0x31, b"\x05\x00")
        ),
    )
    echoed = control(5, b"\x02\x01\x05"), control(7, b"\x04\x01\x06")
    return seq(seq(*echoed, *found), seq(), seq())


def _statuses(n):
    success = seq(b"\x02\x01\x00", seq(der_writer.integer(1)))
    return seq(seq(*[control(1, success)] * n), seq(), seq())


def _constraints(n, excluded=0xA1):
    bases = der_writer.tlv(excluded, *_many(n, lambda i: seq(der_writer.tlv(0x82, b"x%d.b" % i))))
    return seq(seq(bases), _certificate(_known("2.5.29.17", _names(n))))


def _entry(i):
    return seq(der_writer.integer(i + 9), BEFORE)


def _crl(n, more=b""):
    return crl(ECDSA, ISSUER, BEFORE, AFTER, b"".join(_many(n, _entry)), more)


def _http(head, body=b""):
    return b"HTTP/1.1 " + head + b"\r\n\r\n" + body


def _chunked(n, size):
    body = b"%x\r\n%s\r\n" % (size, b"A" * size)
    return _http(CHUNKED, body * n + b"0\r\n\r\n")


def _multipart(n, line=b"A" * 76):
    part = b"--b\r\nContent-Type: application/pkcs8\r\n\r\n" + line + b"\r\n"
    return b"multipart/mixed; boundary=b\n" + line + b"\r\n" * n + part + line * n + b"\r\n--b--"


def _deep(n):
    out = b""
    for _ in range(min(n, 25)):
        out = der_writer.tlv(0x30, out)
    return out


# (target, what grows, function of how much). Each is valid but for the count, or as near as that.
CASES = [
    ("der", "elements", lambda n: seq(*_many(n, der_writer.integer))),
    ("der", "octets of an INTEGER", lambda n: der_writer.integer(1 << 8 * n)),
    ("der", "levels", _deep),
    ("der", "levels of BER", lambda n: b"\x30\x80" * min(n, 18) + b"\0\0" * min(n, 18)),
    ("der", "elements of BER", lambda n: b"\x30\x80" * 18 + b"\x05\0" * n + b"\0\0" * 18),
    ("der", "octets of an OID", lambda n: der_writer.oid(b"\x81" * n + b"\x01")),
    ("x509", "extensions", lambda n: _certificate(*_many(n, _extension))),
    ("x509", "names", lambda n: _certificate(_known("2.5.29.17", _names(n)))),
    ("x509", "RDNs", lambda n: _certificate(subject=_name(n))),
    (
        "x509",
        "purposes",
        lambda n: _certificate(
            _known("2.5.29.37", seq(*_many(n, lambda i: der_writer.oid(_oid(i)))))
        ),
    ),
    ("name", "RDNs", _name),
    (
        "name",
        "parts of one RDN",
        lambda n: seq(
            der_writer.set_of(_many(n, lambda i: seq(der_writer.oid(_oid(i)), b"\x0c\x01v")))
        ),
    ),
    (
        "name",
        "characters",
        lambda n: _named(0x0C, b"v" * n),
    ),
    (
        "name",
        "characters of BMP",
        lambda n: _named(0x1E, b"\0v" * n),
    ),
    ("general_name", "names", _names),
    ("name_constraints", "names and excluded bases", _constraints),
    ("name_constraints", "names and permitted bases", lambda n: _constraints(n, 0xA0)),
    ("extension_request", "extensions", lambda n: seq(*_many(n, _extension))),
    ("csrattrs", "OIDs", lambda n: seq(*_many(n, lambda i: der_writer.oid(_oid(i))))),
    (
        "csrattrs",
        "extensions",
        lambda n: seq(attribute(EXTENSION_REQUEST, seq(*_many(n, _extension)))),
    ),
    (
        "csrattrs",
        "attributes",
        lambda n: seq(
            *_many(n, lambda i: seq(der_writer.oid(_oid(i)), der_writer.tlv(0x31, b"\x05\x00")))
        ),
    ),
    (
        "csrattrs",
        "names to fill in",
        lambda n: seq(
            attribute(
                EXTENSION_REQUEST, seq(_known("2.5.29.17", seq(*_many(n, lambda i: b"\x82\0"))))
            )
        ),
    ),
    (
        "csrattrs",
        "RDNs of a template",
        lambda n: seq(
            attribute(TEMPLATE, seq(der_writer.integer(0), _name(n), der_writer.tlv(0xA1, b"")))
        ),
    ),
    ("cms", "certificates", lambda n: cms(b"", _certificate() * min(n, 8))),
    ("cms", "certificates too many", lambda n: cms(b"", b"\x30\0" * n)),
    ("cms", "octets of a certificate in BER", lambda n: indefinite(cms(b"", seq(b"\0" * n)))),
    ("cmc_status", "controls", _pki_response),
    ("cmc_status", "statuses", _statuses),
    ("crl", "entries", _crl),
    ("crl", "extensions", lambda n: _crl(1, context(0, seq(*_many(min(n, 99), _extension))))),
    (
        "distribution_points",
        "points",
        lambda n: seq(*_many(n, lambda i: seq(context(0, context(0, _dns(i)))))),
    ),
    (
        "enveloped",
        "octets",
        lambda n: enveloped(seq(b"\x02\x01\x00" + b"\0" * n), for_shared_key()),
    ),
    ("enveloped", "recipients", lambda n: enveloped(b"", b"\x30\0" * n + for_shared_key())),
    ("decrypted", "octets", lambda n: seq(b"\x02\x01\x00", der_writer.tlv(4, bytes(n)))),
    ("private_key", "octets", lambda n: seq(b"\x02\x01\x00", der_writer.integer(1 << 8 * n) * 8)),
    (
        "public_key",
        "octets",
        lambda n: seq(seq(der_writer.oid(_oid(1))), der_writer.bit_string(bytes(n))),
    ),
    ("pem", "certificates", lambda n: pem("CERTIFICATE", seq()) * n),
    ("pem", "begin lines", lambda n: b"-----BEGIN CERTIFICATE-----\n" * n),
    ("body", "octets of base64", lambda n: base64.encodebytes(bytes(3 * n))),
    ("body", "line breaks", lambda n: b"AAAA\r\n" * n),
    ("body", "blocks of PEM", lambda n: pem("X", b"abc") * n),
    ("body", "empty blocks of PEM", lambda n: b"-----BEGIN X-----\n-----END X-----\n" * n),
    ("body", "hyphens", lambda n: b"-----BEGIN X-----\n" + b"-" * n),
    ("http", "header lines", lambda n: _http(b"200 OK" + b"\r\nA: b" * n)),
    ("http", "octets of a line", lambda n: _http(b"200 " + b"K" * n)),
    ("http", "the same header", lambda n: _http(b"401 No" + b"\r\nWWW-Authenticate: a b=c" * n)),
    ("http", "octets of a body", lambda n: _http(b"200 OK", b"AAAA" * n)),
    ("http", "chunks", lambda n: _chunked(n, 1)),
    ("http", "octets of chunks", lambda n: _chunked(1, 4 * n)),
    (
        "http",
        "digits of a chunk size",
        lambda n: _http(CHUNKED, b"0" * n),
    ),
    ("http", "interim answers", lambda n: b"HTTP/1.1 100 C\r\n\r\n" * n + _http(b"204 No")),
    ("http", "octets of a refusal", lambda n: _http(b"400 No", b" a" * n)),
    ("multipart", "lines", _multipart),
    ("multipart", "octets of lines", lambda n: _multipart(1, b"A" * n)),
    ("multipart", "boundaries", lambda n: b"multipart/mixed; boundary=b\n" + b"--b\n" * n),
    ("challenge", "schemes", lambda n: b"a," * n),
    ("challenge", "parameters", lambda n: b"Digest " + b"a=b, " * n),
    ("challenge", "escapes", lambda n: b'Digest a="' + b"\\a" * n + b'"'),
    ("challenge", "delimiters", lambda n: b"=" * n),
    ("retry_after", "digits", lambda n: b"9" * n),
    ("retry_after", "words", lambda n: b"a " * n),
    ("location", "segments", lambda n: b"a/../" * n),
    ("url", "segments", lambda n: b"https://h" + b"/.." * n),
    ("url", "digits of a port", lambda n: b"https://h:" + b"9" * n),
    ("settings", "octets of a name", lambda n: b'{"url": "https://h", "%s": 1}' % (b"a" * n)),
    ("settings", "names", lambda n: b'{"url": "https://h", "san": [' + b'"dns:a",' * n + b'"b"]}'),
    ("settings", "levels", lambda n: b'{"url":' * n + b"}" * n),
    ("oid", "octets", lambda n: b"\x81" * n + b"\x01"),
    ("wish", "RDNs", lambda n: b",".join(b"CN=a%d" % i for i in range(n))),
    ("wish", "names", lambda n: b"CN=a" + b"\ndns:a" * n),
    (
        "identity",
        "certificates",
        lambda n: der_writer.tlv(4, b"k") + _certificate() + seq(*[seq()] * n),
    ),
    (
        "pending",
        "certificates",
        lambda n: der_writer.integer(1) * 2 + b"\x04\0" * 5 + seq(*[seq()] * n),
    ),
]
