from checks import raises
from est_errors import ConfigError, DerError
from pki import der, der_writer, oid_text


def test_an_element_is_read_in_place():
    buf = bytearray(b"\x30\x06\x02\x01\x05\x04\x01\xff")
    reader = der.sequence(buf)
    assert reader.integer() == 5
    octets = reader.take(der.OCTET_STRING)
    buf[7] = 7
    assert octets[0] == 7, "a copy was made"
    reader.finish()


def test_raw_gives_the_whole_element():
    outer = der.sequence(b"\x30\x05\x30\x03\x02\x01\x05")
    inner = outer.enter()
    assert bytes(inner.raw) == b"\x30\x03\x02\x01\x05"
    assert inner.peek() == der.INTEGER and inner.more()


def test_lengths_that_are_not_minimal_are_refused():
    for bad in (b"\x30\x81\x03\x02\x01\x05", b"\x30\x82\x00\x80" + bytes(128)):
        raises(DerError, der.sequence, bad)


def test_indefinite_and_huge_lengths_are_refused():
    for bad in (b"\x30\x80\x02\x01\x05\0\0", b"\x30\x84\0\0\0\x03\x02\x01\x05", b"\x30\xff"):
        raises(DerError, der.sequence, bad)


def test_every_truncation_is_refused():
    whole = der_writer.tlv(
        der.SEQUENCE, der_writer.integer(1 << 2000), der_writer.oid(b"\x2a\x03")
    )
    for size in range(len(whole)):
        raises(DerError, der.sequence, whole[:size])
    raises(DerError, der.sequence, whole + b"\0")


def test_a_value_longer_than_what_holds_it_is_refused():
    reader = der.sequence(b"\x30\x03\x04\x02\x01")
    raises(DerError, reader.take, der.OCTET_STRING)


def test_deep_nesting_is_refused():
    nested = b""
    for _ in range(30):
        nested = der_writer.tlv(der.SEQUENCE, nested)

    def descend(reader):
        while reader.more():
            reader = reader.enter()

    raises(DerError, descend, der.Reader(nested))


def test_integers():
    for value in (0, 1, 127, 128, 255, 256, 1 << 255):
        assert der.Reader(der_writer.integer(value)).integer() == value
    assert der_writer.integer(128) == b"\x02\x02\x00\x80"
    assert der_writer.integer(b"\0\0\x80") == b"\x02\x02\x00\x80"
    assert der.Reader(b"\x02\x01\xff").integer() == -1
    for bad in (b"\x02\x00", b"\x02\x02\x00\x01", b"\x02\x02\xff\x80"):
        raises(DerError, der.Reader(bad).integer)
    raises(DerError, der_writer.integer, -1)
    longest = der_writer.integer(b"\x7f" * 1700)
    assert len(str(der.Reader(longest).integer())) == 4094
    raises(DerError, der.Reader(der_writer.integer(b"\x7f" * 1701)).integer)


def test_booleans():
    assert der.Reader(b"\x01\x01\xff").boolean() is True
    assert der.Reader(b"\x01\x01\x00").boolean() is False
    for bad in (b"\x01\x01\x01", b"\x01\x00", b"\x01\x02\xff\xff"):
        raises(DerError, der.Reader(bad).boolean)


def test_bit_strings():
    assert bytes(der.Reader(b"\x03\x03\x00\xab\xcd").bit_string()) == b"\xab\xcd"
    raises(DerError, der.Reader(b"\x03\x02\x01\x80").bit_string)
    raises(DerError, der.Reader(b"\x03\x00").bit_string)
    assert der_writer.named_bits(0b101) == b"\x03\x02\x05\xa0"
    assert der_writer.named_bits(1 << 8) == b"\x03\x03\x07\x00\x80"
    for value in (0, 1, 0b101, 1 << 8, 0x1FF):
        assert der.Reader(der_writer.named_bits(value)).named_bits() == value
    for bad in (b"\x03\x00", b"\x03\x01\x01", b"\x03\x02\x08\x80", b"\x03\x02\x05\xa1"):
        raises(DerError, der.Reader(bad).named_bits)


def test_object_identifiers():
    for dotted in ("1.2.840.10045.2.1", "2.5.29.17", "2.999.1", "1.3.6.1.4.1.99999"):
        contents = oid_text.encode(dotted)
        assert oid_text.dotted(contents) == dotted
        assert der.Reader(der_writer.oid(contents)).oid() == contents
    assert oid_text.encode("1.2.840.10045.2.1") == b"\x2a\x86\x48\xce\x3d\x02\x01"
    for bad in (b"\x06\x00", b"\x06\x02\x2a\x80", b"\x06\x03\x2a\x80\x01"):
        raises(DerError, der.Reader(bad).oid)
    for bad in ("", "1", "3.1", "1.40", "1.-2", "a.b"):
        raises(ConfigError, oid_text.encode, bad)


def test_a_set_is_sorted():
    assert (
        der_writer.set_of([b"\x02\x01\x05", b"\x02\x01\x03"])
        == b"\x31\x06\x02\x01\x03\x02\x01\x05"
    )


def test_long_values_are_written_with_the_fewest_length_octets():
    for size, head in ((127, b"\x04\x7f"), (128, b"\x04\x81\x80"), (256, b"\x04\x82\x01\x00")):
        assert der_writer.tlv(der.OCTET_STRING, bytes(size))[: len(head)] == head
        assert len(der.Reader(der_writer.tlv(der.OCTET_STRING, bytes(size))).take(4)) == size


def test_ber_indefinite_lengths_are_read_where_they_are_allowed():
    buf = b"\x30\x80\x30\x80\x02\x01\x05\0\0\x04\x01\x07\0\0"
    reader = der.sequence(buf, ber=True)
    inner = reader.enter()
    assert inner.integer() == 5
    inner.finish()
    assert bytes(reader.take(der.OCTET_STRING)) == b"\x07"
    reader.finish()
    for size in range(len(buf)):
        raises(DerError, der.sequence, buf[:size], ber=True)
    raises(DerError, der.sequence, b"\x30\x80" * 40 + b"\0\0" * 40, ber=True)
