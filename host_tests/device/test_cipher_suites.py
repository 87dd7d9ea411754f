"""Which cipher suites each interpreter offers: all as strong as any key that a server may make."""

import socket
import ssl
import threading

import pytest
from scripted_server import DEADLINE

_SCSV = (0x00FF, 0x5600)  # signals, no suites
# Families of which OpenSSL has only a part, without what is anonymous in them, or below 128 bits.
_WEAK_ECC = {*range(0xC001, 0xC004), *range(0xC006, 0xC009), *range(0xC00B, 0xC00E)} | {
    *range(0xC010, 0xC013),
    *range(0xC015, 0xC01D),
}
_ECC = {*range(0xC001, 0xC033)} - _WEAK_ECC  # RFC 8422, RFC 5289: with AES
_ANONYMOUS = {0xC046, 0xC047, 0xC05A, 0xC05B, 0xC084, 0xC085}
# TLS 1.3 (RFC 8446 B.4), ARIA (RFC 6209), Camellia (RFC 6367), AES-CCM (RFC 6655, RFC 7251).
_STRONG = _ECC | {*range(0x1301, 0x1306), *range(0xC03C, 0xC0B0)} - _ANONYMOUS
# A key that is taken from /serverkeygen is P-256 or RSA up to 4096: 128 bits of strength, or up to
# 150 (NIST SP 800-57 part 1, table 2, counts RSA below 7680 bits as 128).
_STRENGTH = 128


def _offered(hello: bytes) -> list[int]:
    """Return the cipher suites of a ClientHello in one TLS record (RFC 8446 4.1.2)."""
    assert hello[0] == 22 and hello[5] == 1, "no ClientHello"
    at = 5 + 4 + 2 + 32
    at += 1 + hello[at]
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    return [int.from_bytes(hello[i : i + 2], "big") for i in range(at + 2, end, 2)]


@pytest.fixture
def offered(device, anchor):
    """What est.Client offers to a server that only listens to its ClientHello."""
    hellos = []

    def listen(listening):
        raw, _ = listening.accept()
        with raw:
            raw.settimeout(DEADLINE)
            hello = raw.recv(5, socket.MSG_WAITALL)
            hellos.append(hello + raw.recv(int.from_bytes(hello[3:], "big"), socket.MSG_WAITALL))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE)
        thread = threading.Thread(target=listen, args=(listening,))
        thread.start()
        went = device.run("cacerts", port=listening.getsockname()[1], anchors=[anchor])
        thread.join(DEADLINE)
    assert "error" in went
    return [suite for suite in _offered(hellos[0]) if suite not in _SCSV]


def test_no_suite_is_weaker_than_a_key_of_the_servers(offered):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    known = {each["id"] & 0xFFFF: each for each in context.get_ciphers()}
    assert offered
    assert not [hex(suite) for suite in offered if suite not in known and suite not in _STRONG]
    for suite in known.keys() & set(offered):
        assert known[suite]["strength_bits"] >= _STRENGTH, known[suite]["name"]
        assert known[suite]["auth"] != "auth-null", known[suite]["name"]
