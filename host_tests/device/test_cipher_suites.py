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


def _met(device, anchor, meet):
    """Return what meet() gives for the client's connection and ClientHello, and how it went."""
    found = []

    def listen(listening):
        raw, _ = listening.accept()
        with raw:
            raw.settimeout(DEADLINE)
            found.append(meet(raw, _record(raw)))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(DEADLINE)
        thread = threading.Thread(target=listen, args=(listening,))
        thread.start()
        went = device.run("cacerts", port=listening.getsockname()[1], anchors=[anchor])
        thread.join(DEADLINE)
    assert "error" in went
    return found[0], went


def _record(raw):
    """Return the next TLS record, b"" at the end."""
    head = raw.recv(5, socket.MSG_WAITALL)
    return head + raw.recv(int.from_bytes(head[3:], "big"), socket.MSG_WAITALL)


def _server_hello(suite):
    """Return a ServerHello for TLS 1.2 (RFC 5246 7.4.1.3) with renegotiation_info, in a record."""
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + suite.to_bytes(2, "big") + b"\0"
    body += bytes.fromhex("0005ff01000100")
    return (
        b"\x16\x03\x03"
        + (4 + len(body)).to_bytes(2, "big")
        + b"\2\0\0"
        + bytes([len(body)])
        + body
    )


@pytest.fixture
def offered(device, anchor):
    """What est.Client offers to a server that only listens to its ClientHello."""
    hello, _ = _met(device, anchor, lambda raw, hello: hello)
    return [suite for suite in _offered(hello) if suite not in _SCSV]


def test_no_suite_is_weaker_than_a_key_of_the_servers(offered):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    known = {each["id"] & 0xFFFF: each for each in context.get_ciphers()}
    assert offered
    assert not [hex(suite) for suite in offered if suite not in known and suite not in _STRONG]
    for suite in known.keys() & set(offered):
        assert known[suite]["strength_bits"] >= _STRENGTH, known[suite]["name"]
        assert known[suite]["auth"] != "auth-null", known[suite]["name"]


def test_a_suite_that_was_not_offered_is_refused_at_once(device, anchor, offered):
    """So what is offered is all that can be negotiated (RFC 5246 7.4.1.3)."""

    def chosen(suite):
        def meet(raw, _):
            raw.sendall(_server_hello(suite))
            raw.settimeout(1)
            try:
                return _record(raw)
            except TimeoutError:
                return None  # it waits for the certificate

        return _met(device, anchor, meet)

    # NULL-MD5, RC4-128, DES, 3DES, anonymous RC4, ECDHE with NULL and with 3DES
    for weak in (0x0001, 0x0005, 0x0009, 0x000A, 0x0018, 0xC010, 0xC012):
        assert weak not in offered
        answer, went = chosen(weak)
        # A fatal alert, which CPython's asyncio does not send: it closes.
        assert answer == b"" or (answer and (answer[0], answer[5]) == (21, 2)), answer
        assert went["class"] in ("NetworkError", "TlsRefused") and not went.get("verified"), went
    # The same message with a suite that was offered is in order.
    answer, _ = chosen(next(suite for suite in offered if suite >> 8 == 0xC0))
    assert answer is None
