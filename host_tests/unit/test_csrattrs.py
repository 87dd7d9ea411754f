from checks import raises, shared, vector
from est_errors import DerError
from pki import der, der_writer, oid_text
from pki.csrattrs import CsrAttributes

MAC_ADDRESS = "1.3.6.1.1.1.1.22"


def test_the_example_of_rfc_7030():
    found = CsrAttributes(vector("rfc7030/csrattrs.der"))
    assert found.oids or found.attributes
    assert found.as_text()


def test_the_example_of_rfc_8951():
    found = CsrAttributes(vector("rfc8951/csrattrs-4.5.2.der"))
    assert [oid_text.dotted(contents) for contents in found.oids] == [
        "1.2.840.113549.1.9.7",
        "1.2.840.10045.4.3.3",
    ]
    assert found.wants_challenge_password
    kinds = [oid_text.dotted(kind) for kind, _ in found.attributes]
    assert kinds == ["1.2.840.10045.2.1", "1.2.840.113549.1.9.14"]
    # A bare OID inside extensionRequest must not break the parser, and gives no extension.
    assert found.extensions() == []
    assert "extensionRequest (1.2.840.113549.1.9.14): " + MAC_ADDRESS in found.as_text()
    assert "key: P-384" in found.as_text()


def test_the_examples_of_rfc_9908():
    for number in range(1, 7):
        CsrAttributes(shared("rfc9908/csrattrs-5.%d.der" % number)).as_text()


def test_extensions_that_the_server_gives():
    usage = der_writer.tlv(
        der.SEQUENCE,
        der_writer.oid(b"\x55\x1d\x0f"),
        der_writer.tlv(der.OCTET_STRING, der_writer.named_bits(1)),
    )
    attribute = der_writer.tlv(
        der.SEQUENCE,
        der_writer.oid(oid_text.encode("1.2.840.113549.1.9.14")),
        der_writer.tlv(der.SET, der_writer.tlv(der.SEQUENCE, usage)),
    )
    found = CsrAttributes(der_writer.tlv(der.SEQUENCE, attribute))
    assert found.extensions() == [(b"\x55\x1d\x0f", False, der_writer.named_bits(1))]
    assert not found.wants_challenge_password


def test_nothing_asked_for():
    found = CsrAttributes(b"\x30\x00")
    assert found.oids == [] and found.attributes == []


def test_extensions_are_compared_with_each_other_so_they_are_few():
    for count in (64, 65):
        wanted = [
            der_writer.tlv(der.SEQUENCE, der_writer.oid(bytes((0x2A, i))), b"\x04\0")
            for i in range(count)
        ]
        attribute = der_writer.tlv(der.SET, der_writer.tlv(der.SEQUENCE, *wanted))
        kind = der_writer.oid(oid_text.encode("1.2.840.113549.1.9.14"))
        found = CsrAttributes(
            der_writer.tlv(der.SEQUENCE, der_writer.tlv(der.SEQUENCE, kind, attribute))
        )
        if count == 64:
            assert len(found.extensions()) == 64
    raises(DerError, found.extensions)


def test_broken_messages_are_refused():
    whole = vector("rfc8951/csrattrs-4.5.2.der")
    for size in range(len(whole)):
        raises(DerError, CsrAttributes, whole[:size])
    raises(DerError, CsrAttributes, b"\x30\x03\x02\x01\x05")
    raises(DerError, CsrAttributes, whole + b"\0")
