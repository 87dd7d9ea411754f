from checks import raises
from est_errors import ConfigError, DerError
from pki import name


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


def test_alternative_names_of_every_kind():
    entries = [
        "dns:pump7.example",
        "ip:192.0.2.7",
        "uri:urn:uuid:1234",
        "email:a@example.com",
        "rid:1.2.3.4",
        "hwmodule:1.3.6.1.4.1.99999.1:00a1ff",
    ]
    encoded = name.general_names(entries)
    assert name.general_names_text(encoded) == entries
    assert name.general_names(["hwmodule:1.2.3:0102"]) == (
        b"\x30\x18\xa0\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x04"
        b"\xa0\x0a\x30\x08\x06\x02\x2a\x03\x04\x02\x01\x02"
    )


def test_ip_addresses():
    for text, octets in (
        ("192.0.2.7", b"\xc0\x00\x02\x07"),
        ("::1", bytes(15) + b"\x01"),
        ("2001:db8::7", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07"),
        ("1:2:3:4:5:6:7:8", b"\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0\x07\0\x08"),
    ):
        assert name.ip_octets(text) == octets
    for bad in (
        "",
        "1.2.3",
        "1.2.3.256",
        "1.2.3.x",
        "::1::",
        "1:2:3",
        "1:2:3:4:5:6:7:8:9",
        ":::",
        "12345::",
    ):
        assert name.ip_octets(bad) is None, bad
    assert name.ip_text(b"\xc0\x00\x02\x07") == "192.0.2.7"
    raises(DerError, name.ip_text, b"\0")


def test_alternative_names_that_are_wrong_are_refused():
    for bad in (
        "pump7",
        "dns:",
        "ip:1.2.3",
        "foo:x",
        "dns:a b",
        "dns:ä",
        "uri:x",
        "hwmodule:1.2",
        "hwmodule:1.2.3:0",
        "hwmodule:1.2.3:zz",
    ):
        raises(ConfigError, name.general_names, [bad])


def test_names_that_are_broken_are_refused():
    whole = name.encode("O=Acme,CN=pump")
    for size in range(len(whole)):
        raises(DerError, name.decode, whole[:size])
    raises(DerError, name.decode, b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\xff\xfe")
    raises(DerError, name.decode, b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02a\x1b")
    raises(DerError, name.decode, b"\x30\x09\x31\x07\x30\x05\x06\x03\x55\x04\x03")
