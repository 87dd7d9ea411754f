from checks import raises
from est_errors import ConfigError, DerError
from pki import der, der_writer, name


def test_a_subject_is_encoded_in_its_order():
    encoded = name.encode("C=CH,O=Acme,CN=pump 7")
    assert encoded == (
        b"\x30\x2d\x31\x0b\x30\x09\x06\x03\x55\x04\x06\x13\x02CH"
        b"\x31\x0d\x30\x0b\x06\x03\x55\x04\x0a\x0c\x04Acme"
        b"\x31\x0f\x30\x0d\x06\x03\x55\x04\x03\x0c\x06pump 7"
    )
    assert name.decode(encoded) == "C=CH,O=Acme,CN=pump 7"


def test_every_known_attribute_comes_back():
    for text in (
        "CN=a,SN=b,serialNumber=c-1,L=d,ST=e,street=f,OU=g,title=h,postalCode=8000,GN=i",
        "initials=a,generationQualifier=b,dnQualifier=c,pseudonym=d,organizationIdentifier=e",
        "DC=com,DC=example,UID=u7,emailAddress=a@example.com",
        "CN=Zürich Gerät 温度",
        "1.2.3.4=value",
        "CN=a+serialNumber=1,O=b",
        "CN=a\\,b\\+c\\\\d\\=e",
    ):
        assert name.decode(name.encode(text)) == text


def test_short_names_in_any_case_and_aliases():
    assert name.encode("cn=x,E=a@b") == name.encode("CN=x,emailAddress=a@b")


def test_subjects_that_make_no_name_are_refused():
    for bad in ("CN", "CN=", "=x", "FOO=x", "C=CHE", "C=1x", "CN=" + "x" * 65, "CN=a,,O=b"):
        assert "subject" in str(raises(ConfigError, name.encode, bad))
    for bad in ("serialNumber=ä", "DC=ä", "serialNumber=a_b", "1.99.4=x"):
        raises(ConfigError, name.encode, bad)


def test_names_that_are_broken_are_refused():
    whole = name.encode("O=Acme,CN=pump")
    for size in range(len(whole)):
        raises(DerError, name.decode, whole[:size])
    raises(DerError, name.decode, b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\xff\xfe")
    raises(DerError, name.decode, b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02a\x1b")
    raises(DerError, name.decode, b"\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03")


def test_utf8_has_one_form_and_no_controls_of_either_kind():
    for octets in (
        b"\xc2\x9b31m",  # CSI, which terminals obey as ESC [
        b"\xc2\x80",
        b"\xc2\x9f",
        b"\xc0\xaf",  # a longer form of "/"
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",  # half of a surrogate pair
        b"\xed\xb0\x80",
        b"\xf4\x90\x80\x80",  # beyond Unicode
        b"\xff",
    ):
        raises(DerError, name.utf8, octets)
    assert name.utf8(b"\xc2\xa0\xf0\x9f\x98\x80") == "\xa0\U0001f600"


def test_control_characters_in_any_kind_of_string_are_refused():
    def named(tag, octets):
        part = der_writer.tlv(
            der.SEQUENCE, der_writer.oid(b"\x55\x04\x03"), der_writer.tlv(tag, octets)
        )
        return der_writer.tlv(der.SEQUENCE, der_writer.tlv(der.SET, part))

    assert name.decode(named(0x1E, b"\x00P\x00\xe9")) == "CN=P\xe9"
    assert name.decode(named(0x14, b"P\xe9")) == "CN=P\xe9"
    for tag, octets in (
        (0x0C, b"\x1b["),
        (0x14, b"\x1b["),
        (0x1E, b"\0\x1b\0["),
    ):
        raises(DerError, name.decode, named(tag, octets))


def test_what_is_no_text_is_shown_as_octets():
    assert name.text(name.encode("CN=a")) == "CN=a"
    universal = b"\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1c\x04\0\0\0a"
    assert name.text(universal) == "CN=a"
    for broken in (b"", b"\x30", universal[:-1] + b"\x07", universal[:-4] + b"\0\x11\0\0"):
        shown = name.text(broken)
        assert shown == "".join(["%02x" % octet for octet in broken])
    assert len(name.text(b"\xff" * 5000)) == 128
