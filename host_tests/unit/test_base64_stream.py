from binascii import b2a_base64

from base64_stream import Base64Reader, encode_lines
from checks import araises, shared, vector
from est_errors import ProtocolError


class Source:
    """Gives text in pieces of at most `step` bytes."""

    def __init__(self, text, step):
        self.text, self.step = text, step

    async def readinto(self, view):
        count = min(len(view), self.step, len(self.text))
        view[:count] = self.text[:count]
        self.text = self.text[count:]
        return count


async def decode(text, step=1000, size=64):
    reader = Base64Reader(Source(text, step), memoryview(bytearray(size)))
    out = b""
    while True:
        octets = await reader.read()
        if not octets:
            return out
        out += octets


async def test_any_cut_of_the_stream_decodes_alike():
    octets = bytes(range(256))
    text = b2a_base64(octets)
    for size in (8, 9, 10, 11, 64):
        for step in (1, 2, 3, 4, 5, 7, 64):
            assert await decode(text, step, size) == octets


async def test_white_space_may_stand_anywhere():
    for text in (
        b"QU JD\r\nRE\tVG\n",
        b"\n\nQUJDREVG",
        b"Q\nU\nJ\nD\nR\nE\nV\nG",
        b"QUJDREVG\r\n\r\n",
    ):
        for step in (1, 3, 100):
            assert await decode(text, step) == b"ABCDEF"


async def test_padding():
    assert await decode(b"QQ==") == b"A"
    assert await decode(b"QUI=\n") == b"AB"
    assert await decode(b"QQ=\n=", 1) == b"A"
    assert await decode(b"") == b""


async def test_trailing_nul_octets_are_passed_over():
    assert await decode(b"QUJD\n\0") == b"ABC"
    await araises(ProtocolError, decode(b"QU\0JD"))


async def test_what_is_not_base64_is_refused():
    for bad in (
        b"QUJ",  # cut off
        b"Q",
        b"QUJD=",
        b"QQ=A",
        b"QQ==QUJD",  # text behind padding
        b"QQ===",
        b"Q===",
        b"====",
        b"QUJ-",  # the URL alphabet
        b"<html>",
        b"QR==",  # unused bits
        b"QUK=",
        b"QU\xc3\xa4D",
        b"-----BEGIN CERTIFICATE-----",
    ):
        for step in (1, 2, 100):
            await araises(ProtocolError, decode(bad, step))


async def test_encoded_lines_are_64_characters_and_end_in_a_line_feed():
    lines = encode_lines(bytes(100)).split(b"\n")
    assert [len(line) for line in lines] == [64, 64, 8, 0]
    assert await decode(encode_lines(bytes(100))) == bytes(100)


async def test_the_rfc_examples_decode_to_their_der():
    for name in ("cacerts.p7", "enroll.p7", "csrattrs", "enroll.csr"):
        assert await decode(vector("rfc7030/" + name + ".b64")) == vector(
            "rfc7030/" + name + ".der"
        )
    assert await decode(shared("rfc9908/csrattrs-5.1.b64")) == shared("rfc9908/csrattrs-5.1.der")
