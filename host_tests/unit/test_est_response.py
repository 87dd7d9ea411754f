"""The forms in which servers send a body: base64 as RFC 8951 has it, bare DER, PEM."""

from binascii import b2a_base64

import est_response
from checks import araises, vector
from est_errors import LimitError, ProtocolError


class Limits:
    MAX_BODY = 4096


class Response:
    """A response whose body comes in pieces of at most `step` bytes."""

    content_type = ""
    framed = True

    def __init__(self, text, step):
        self.text, self.step = text, step

    async def readinto(self, view):
        count = min(len(view), self.step, len(self.text))
        view[:count] = self.text[:count]
        self.text = self.text[count:]
        return count


async def received(text, step=1000, size=64):
    response = Response(text, step)
    return bytes(await est_response.body(response, Limits, memoryview(bytearray(size))))


def armoured(octets, kind=b"PKCS7", end=b"\n"):
    lines = [b2a_base64(octets[i : i + 48])[:-1] for i in range(0, len(octets), 48)]
    marks = [b"-----BEGIN " + kind + b"-----"], [b"-----END " + kind + b"-----", b""]
    return end.join(marks[0] + lines + marks[1])


MESSAGE = vector("rfc9148/enroll.p7.der")


async def test_every_form_in_pieces_of_any_size():
    for text in (
        b2a_base64(MESSAGE),
        b2a_base64(MESSAGE)[:-1],
        b2a_base64(MESSAGE)[:-1] + b"  \0",
        MESSAGE,
        armoured(MESSAGE),
        armoured(MESSAGE, b"CMS", b"\r\n"),
        armoured(MESSAGE)[:-1],
    ):
        for step, size in ((1, 8), (3, 9), (7, 64), (1000, 64), (1000, 2000)):
            assert await received(text, step, size) == MESSAGE


async def test_several_blocks_follow_each_other_and_text_between_them_is_passed_over():
    for one, two in ((b"0123456", b"89"), (MESSAGE, b"x"), (b"012", b"345")):
        text = armoured(one, b"CERTIFICATE") + b"- subject=x\n--\n" + armoured(two)
        for step, size in ((1, 8), (5, 9), (1000, 64), (1000, 2000)):
            assert await received(text, step, size) == one + two


async def test_damaged_armour_is_refused():
    text = armoured(MESSAGE)
    for size in range(30, text.find(b"-----END"), 13):
        await araises(ProtocolError, received(text[:size]))
    await araises(ProtocolError, received(text.replace(b"\n", b"\n!", 2)))


async def test_an_empty_block_is_nothing():
    assert await received(armoured(b"")) == b""


async def test_the_limit_holds_for_every_form():
    large = b"\x30" + b"\x01" * 4096
    for text in (large, b2a_base64(large), armoured(large)):
        await araises(LimitError, received(text))
    for text in (large[:-1], b2a_base64(large[:-1]), armoured(large[:-1])):
        assert len(await received(text)) == 4096
