"""What pki.cms says of a message in memory, pki.cms_stream says of it while it arrives."""

from checks import araises, vector
from est_errors import DerError, LimitError
from pki import cms, cms_stream

OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"


class Pieces:
    """Gives octets in pieces of a size."""

    def __init__(self, octets, size):
        self.octets = octets
        self.size = size

    async def read(self):
        piece, self.octets = self.octets[: self.size], self.octets[self.size :]
        return piece


async def streamed(message, limit=8, size=100, most=10000):
    return await cms_stream.certificates(Pieces(message, size), most, limit)


async def outcome(message):
    """Return what both say: certificates, or None for a refusal."""
    try:
        expected = cms.certificates(message, 8)
    except (DerError, LimitError):
        expected = None
    try:
        found = await streamed(message)
    except (DerError, LimitError):
        found = None
    assert found == expected, message[:40]
    return found


def ber():
    raw = cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0]
    return (
        b"\x30\x80" + OID + b"\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00"
        b"\x30\x80" + OID + b"\x01\xa0\x80\x24\x80\0\0\0\0\0\0"
        b"\xa0\x80" + raw + raw + b"\0\0\xa1\x03\x30\x01\0\x31\x00\0\0\0\0\0\0"
    )


async def test_messages_in_pieces_of_any_size():
    names = ("rfc7030/cacerts", "rfc7030/enroll", "rfc9148/enroll", "rfc9148/cacerts")
    for message in [vector(name + ".p7.der") for name in names] + [ber()]:
        expected = cms.certificates(message, 8)
        assert expected
        for size in (1, 2, 7, 64, 384, 10000):
            assert await streamed(message, 8, size) == expected


async def test_certificates_without_a_wrapper():
    ca, leaf = [
        cms.certificates(vector("rfc9148/%s.p7.der" % name), 1)[0]
        for name in ("cacerts", "enroll")
    ]
    assert await streamed(leaf + ca) == [leaf, ca]
    await araises(LimitError, streamed(leaf + ca, 1))
    for bad in (leaf + ca[:-1], leaf + b"\0", vector("rfc9148/enroll.csr.der"), b"", b"\x30"):
        await araises(DerError, streamed(bad))


async def test_what_is_too_much_is_refused_before_it_is_in_the_heap():
    await araises(LimitError, streamed(vector("rfc7030/cacerts.p7.der"), 3))
    message = vector("rfc9148/enroll.p7.der")
    assert len(await streamed(message, most=len(message))) == 1
    await araises(LimitError, streamed(message, most=len(message) - 1))
    # A certificate of 16 MB, it says.
    start = b"\x30\x80" + OID + b"\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\0\0\xa0\x80"
    await araises(LimitError, streamed(start + b"\x30\x83\xff\xff\xff" + bytes(100)))
    await araises(DerError, streamed(b"\x30\x80" * 30))
    await araises(DerError, streamed(start[:-8] + b"\x30\x80" * 30 + bytes(100)))


async def test_every_truncation_is_refused_by_both():
    for message in (vector("rfc9148/enroll.p7.der"), ber()):
        for size in range(0, len(message), 3):
            assert await outcome(message[:size]) is None
        assert await outcome(message + b"\0") is None


async def test_every_octet_of_the_wrapper_changed():
    for message in (vector("rfc9148/enroll.p7.der"), ber(), vector("rfc9148/cacerts.p7.der")):
        places = list(range(64)) + list(range(len(message) - 24, len(message)))
        for at in places:
            for octet in (0, 1, 0x30, 0x31, 0x80, 0x82, 0xA0, 0xFF, message[at] ^ 1):
                changed = bytearray(message)
                changed[at] = octet
                await outcome(bytes(changed))
