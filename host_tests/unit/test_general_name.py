from checks import raises
from est_errors import ConfigError
from pki import general_name


def test_alternative_names_of_every_kind():
    entries = [
        "dns:pump7.example",
        "ip:192.0.2.7",
        "uri:urn:uuid:1234",
        "email:a@example.com",
        "rid:1.2.3.4",
        "hwmodule:1.3.6.1.4.1.99999.1:00a1ff",
    ]
    encoded = general_name.encode(entries)
    assert general_name.decode(encoded) == entries
    assert general_name.encode(["hwmodule:1.2.3:0102"]) == (
        b"\x30\x18\xa0\x16\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x04"
        b"\xa0\x0a\x30\x08\x06\x02\x2a\x03\x04\x02\x01\x02"
    )


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
        raises(ConfigError, general_name.encode, [bad])
