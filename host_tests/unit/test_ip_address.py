from checks import raises
from est_errors import DerError
from pki import ip_address


def test_ip_addresses():
    for text, octets in (
        ("192.0.2.7", b"\xc0\x00\x02\x07"),
        ("::1", bytes(15) + b"\x01"),
        ("2001:db8::7", b"\x20\x01\x0d\xb8" + bytes(11) + b"\x07"),
        ("1:2:3:4:5:6:7:8", b"\0\x01\0\x02\0\x03\0\x04\0\x05\0\x06\0\x07\0\x08"),
    ):
        assert ip_address.octets(text) == octets
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
        "10.\u00b20.0.1",
    ):
        assert ip_address.octets(bad) is None, bad
    assert ip_address.text(b"\xc0\x00\x02\x07") == "192.0.2.7"
    raises(DerError, ip_address.text, b"\0")
