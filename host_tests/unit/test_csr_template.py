"""Hostile CsrAttrs: each ends in one error of ours, in the parser or when a request is to obey."""

from checks import Skip, araises, raises, shared, vector
from est_errors import ConfigError, DerError, EstError, KeyFault
from pki import csr, der, der_writer, key_kind, keys, oid, oid_text
from pki.csrattrs import CsrAttributes

TEMPLATE = oid_text.encode("1.2.840.113549.1.9.16.2.61")
EXTENSIONS = oid_text.encode("1.2.840.113549.1.9.16.2.62")
EXTENSION_REQUEST = oid_text.encode("1.2.840.113549.1.9.14")
EXAMPLE = "rfc9908/template-CONSTRUCTED.csrattrs.der"


class Key:
    """Signs in no time."""

    signature_algorithm = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"

    async def public_key(self):
        return keys.spki(b"\x04" + b"\x01" * 64)

    async def sign(self, digest):
        return b"\x30\x00"


def attribute(kind, *values):
    return der_writer.tlv(der.SEQUENCE, der_writer.oid(kind), der_writer.tlv(der.SET, *values))


def message(*parts):
    return der_writer.tlv(
        der.SEQUENCE,
        attribute(TEMPLATE, der_writer.tlv(der.SEQUENCE, der_writer.integer(0), *parts)),
    )


async def obeyed(attributes):
    return await csr.build(Key(), "O=x,CN=x", ["dns:x", "ip:192.0.2.7"], (), (), attributes)


async def survives(octets):
    """Parse, show and obey; an error of ours is what may come."""
    try:
        attributes = CsrAttributes(octets)
        attributes.as_text()
        await obeyed(attributes)
    except EstError as error:
        return error
    return None


def test_a_template_is_read():
    found = CsrAttributes(shared(EXAMPLE)).template
    assert [[kind for kind, _ in rdn] for rdn in found.subject] == [
        [b"\x55\x04\x03"],
        [b"\x55\x04\x0b"],
        [b"\x55\x04\x0b"],
    ]
    assert found.subject[0][0][1] is None and found.subject[1][0][1].endswith(b"myDept")
    assert key_kind.text(found.key) == "P-256"
    assert [(critical, value is None) for _, critical, value in found.extensions] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_a_template_in_words():
    lines = CsrAttributes(shared(EXAMPLE)).as_text()
    assert lines == [
        "subject: CN=(yours),OU=myDept,OU=myGroup",
        "key: P-256",
        "subjectAltName (2.5.29.17): dns:www.myServer.com, ip:(yours)",
        "keyUsage (2.5.29.15): critical, digitalSignature, keyAgreement",
        "extKeyUsage (2.5.29.37): (yours)",
    ]


def in_words(extension, value):
    """What as_text() says of the value of an extension in a template."""
    given = der_writer.tlv(
        der.SEQUENCE, der_writer.oid(extension), der_writer.tlv(der.OCTET_STRING, value)
    )
    wanted = attribute(EXTENSIONS, der_writer.tlv(der.SEQUENCE, given))
    (line,) = CsrAttributes(message(der_writer.tlv(0xA1, wanted))).as_text()
    return line[line.index(": ") + 2 :]


def test_extensions_that_are_given_in_words():
    other = oid_text.encode("1.3.6.1.4.1.32473.1")
    server, unknown = (
        der_writer.oid(oid_text.encode(text)) for text in ("1.3.6.1.5.5.7.3.1", "1.2.3")
    )
    policy = der_writer.tlv(der.SEQUENCE, der_writer.oid(oid_text.encode("2.5.29.32.0")))
    empty = der_writer.tlv(der.SEQUENCE)
    for kind, value, words in (
        (
            oid.KEY_USAGE,
            der_writer.named_bits(0b100000101),
            "digitalSignature, keyEncipherment, decipherOnly",
        ),
        (oid.EXT_KEY_USAGE, der_writer.tlv(der.SEQUENCE, server, unknown), "serverAuth, 1.2.3"),
        (oid.BASIC_CONSTRAINTS, empty, "not a CA"),
        (
            oid.BASIC_CONSTRAINTS,
            der_writer.tlv(der.SEQUENCE, b"\x01\x01\xff", der_writer.integer(2)),
            "a CA, path length 2",
        ),
        (oid.SUBJECT_KEY_IDENTIFIER, der_writer.tlv(der.OCTET_STRING, b"\xab\x01"), "ab01"),
        (oid_text.encode("2.5.29.32"), der_writer.tlv(der.SEQUENCE, policy), "2.5.29.32.0"),
        (oid_text.encode("1.3.6.1.4.1.311.20.2"), der_writer.tlv(0x1E, b"\0T\0L\0S"), '"TLS"'),
        (other, der_writer.tlv(0x0C, b"pump"), '"pump"'),
        (other, b"\x02\x01\xfd", "-3"),
        (other, b"\x01\x01\xff", "true"),
        (other, b"\x05\x00", "null"),
        (other, der_writer.oid(oid.KEY_USAGE), "keyUsage (2.5.29.15)"),
        # What is no text, too long, broken or of another type is counted.
        (other, der_writer.tlv(0x0C, b"a\x1b[2J"), "7 octets given"),
        (other, der_writer.tlv(0x0C, b"x" * 70), "72 octets given"),
        (other, der_writer.tlv(0x0A, b"A"), "3 octets given"),
        (other, der_writer.integer(1) + b"\0", "4 octets given"),
        (other, empty, "2 octets given"),
        (other, b"", "0 octets given"),
        (oid.KEY_USAGE, der_writer.integer(1), "3 octets given"),
        (oid.KEY_USAGE, der_writer.named_bits(0), "3 octets given"),
        (oid.EXT_KEY_USAGE, empty, "2 octets given"),
    ):
        assert in_words(kind, value) == words, (words, in_words(kind, value))


def test_other_attributes_in_words():
    serial = attribute(
        oid_text.encode("2.5.4.5"), der_writer.tlv(0x13, b"77"), der_writer.integer(8)
    )
    (line,) = CsrAttributes(message(der_writer.tlv(0xA1, serial))).as_text()
    assert line == '2.5.4.5: "77", 8'
    (line,) = CsrAttributes(der_writer.tlv(der.SEQUENCE, serial)).as_text()
    assert line == '2.5.4.5: "77", 8'


def test_beside_a_template_nothing_counts():
    challenge = der_writer.oid(oid_text.encode("1.2.840.113549.1.9.7"))
    rsa = attribute(key_kind.RSA, der_writer.integer(4096))
    inner = attribute(TEMPLATE, der_writer.tlv(der.SEQUENCE, der_writer.integer(0)))
    found = CsrAttributes(der_writer.tlv(der.SEQUENCE, challenge, rsa, inner))
    assert found.template and not found.wants_challenge_password and found.extensions() == []


def test_a_template_may_want_the_link():
    wish = attribute(oid_text.encode("1.2.840.113549.1.9.7"))
    assert CsrAttributes(message(der_writer.tlv(0xA1, wish))).wants_challenge_password


def test_templates_that_are_none_are_refused():
    plain = der_writer.tlv(der.SEQUENCE, der_writer.integer(0))
    usage = der_writer.tlv(der.SEQUENCE, der_writer.oid(oid.KEY_USAGE))
    twice = attribute(EXTENSIONS, der_writer.tlv(der.SEQUENCE, usage, usage))
    for broken in (
        der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE)),
        der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE, plain, plain)),
        der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE, plain), attribute(TEMPLATE, plain)),
        der_writer.tlv(
            der.SEQUENCE, attribute(TEMPLATE, der_writer.tlv(der.SEQUENCE, der_writer.integer(1)))
        ),
        der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE, der_writer.integer(0))),
        message(der_writer.tlv(der.SEQUENCE, der_writer.tlv(der.SET))),  # an RDN of nothing
        message(der_writer.tlv(der.SEQUENCE, der_writer.integer(1))),
        message(der_writer.tlv(0xA0)),
        message(der_writer.tlv(0xA0, der_writer.integer(1))),
        message(der_writer.tlv(0xA1, der_writer.integer(1))),
        message(der_writer.tlv(0xA1, twice)),
        message(der_writer.tlv(0xA1, attribute(EXTENSIONS, usage, usage))),
        message(der_writer.tlv(0xA2)),
    ):
        raises(DerError, CsrAttributes, broken)


async def test_truncated_and_damaged_messages_end_in_one_error():
    names = [EXAMPLE]
    names.extend(["rfc9908/csrattrs-5.%d.der" % number for number in range(1, 7)])
    wholes = [vector("rfc8951/csrattrs-4.5.2.der"), vector("rfc7030/csrattrs.der")]
    try:
        wholes.extend([shared(name) for name in names])
    except Skip:
        pass  # the two of RFC 7030 and RFC 8951 are always here
    for whole in wholes:
        for size in range(len(whole)):
            raises(DerError, CsrAttributes, whole[:size])
        for i in range(len(whole)):
            for octet in (0x00, 0x30, 0xFF):
                damaged = bytearray(whole)
                damaged[i] = octet
                await survives(damaged)


async def test_a_truncated_value_inside_of_whole_ones():
    inner = bytes(der.sequence(shared(EXAMPLE)).enter().raw)
    body = der.sequence(inner)
    body.oid()
    value = bytes(body.enter(der.SET).element())
    for size in range(len(value)):
        octets = der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE, value[:size]))
        assert await survives(octets), size


async def test_deep_nesting_is_refused():
    deep = der_writer.integer(0)
    for _ in range(200):
        deep = der_writer.tlv(der.SEQUENCE, deep)
    for octets in (deep, der_writer.tlv(der.SEQUENCE, attribute(TEMPLATE, deep)), message(deep)):
        raises(DerError, CsrAttributes, octets)


async def test_values_of_wrong_types_are_passed_over_or_refused():
    long = b"\xff" * 200
    for octets in (
        attribute(key_kind.EC, der_writer.integer(1)),
        attribute(key_kind.RSA, der_writer.integer(b"\x01" + long), der_writer.tlv(0x13, b"x")),
        attribute(EXTENSION_REQUEST, der_writer.integer(1), der_writer.oid(oid.KEY_USAGE)),
        attribute(EXTENSION_REQUEST, der_writer.tlv(der.SEQUENCE, der_writer.integer(1))),
        attribute(long + b"\x01", der_writer.integer(1)),
    ):
        error = await survives(der_writer.tlv(der.SEQUENCE, octets))
        assert error is None or isinstance(error, (DerError, KeyFault)), error
        assert len(str(error)) < 200


async def test_a_name_of_nothing_is_refused():
    empty = der_writer.tlv(der.OCTET_STRING, der_writer.tlv(der.SEQUENCE))
    names = der_writer.tlv(der.SEQUENCE, der_writer.oid(oid.SUBJECT_ALT_NAME), empty)
    request = attribute(EXTENSIONS, der_writer.tlv(der.SEQUENCE, names))
    await araises(DerError, obeyed(CsrAttributes(message(der_writer.tlv(0xA1, request)))))


async def test_an_empty_subject_and_no_names_make_no_request():
    attributes = CsrAttributes(message(der_writer.tlv(der.SEQUENCE)))
    await araises(ConfigError, csr.build(Key(), "CN=x", (), (), (), attributes))
