from base64_stream import Base64Reader
from checks import araises, raises, vector
from est_errors import LimitError, ProtocolError
from multipart_stream import MultipartReader, boundary_of

BOUNDARY = b"estServerExampleBoundary"


class Source:
    """Gives octets, at most `step` at a time."""

    def __init__(self, octets, step):
        self._octets = octets
        self._step = step

    async def readinto(self, view):
        piece = self._octets[: min(self._step, len(view))]
        self._octets = self._octets[len(piece) :]
        view[: len(piece)] = piece
        return len(piece)


def reader(octets, boundary=b"x", size=128, step=1000):
    return MultipartReader(Source(octets, step), boundary, memoryview(bytearray(size)))


async def rest(source, size=100):
    out = bytearray()
    view = memoryview(bytearray(size))
    while True:
        count = await source.readinto(view)
        if not count:
            return bytes(out)
        out.extend(bytes(view[:count]))


async def parts(*args, **kwargs):
    multipart = reader(*args, **kwargs)
    found = []
    while True:
        if not await multipart.next_part():
            return found
        found.append((multipart.content_type, await rest(multipart)))


async def test_the_example_of_rfc_7030_with_either_line_end():
    for name in ("lf", "crlf"):
        body = vector("rfc7030/serverkeygen.multipart." + name + ".txt")
        for size, step in ((128, 1), (128, 1000), (512, 77)):
            multipart = reader(body, BOUNDARY, size, step)
            for kind, file in (("application/pkcs8", "key"), ("application/pkcs7-mime", "p7")):
                assert await multipart.next_part() and multipart.content_type == kind
                text = Base64Reader(multipart, memoryview(bytearray(64)))
                out = b""
                while True:
                    octets = await text.read()
                    if not octets:
                        break
                    out += octets
                assert out == vector("rfc7030/serverkeygen." + file + ".der")
            assert not await multipart.next_part()


async def test_preamble_epilogue_and_unread_parts_are_passed_over():
    long = b"p" * 500
    body = long + b"\r\n--xy\r\n--x\r\nA: b\r\n\r\n1\r\n--x \t\r\n\r\n2\r\n--x--\r\n--x\r\n" + long
    assert await parts(body) == [("", b"1\r\n"), ("", b"2\r\n")]
    multipart = reader(body)
    for more in (True, True, False):
        assert await multipart.next_part() == more


async def test_header_names_in_any_case_and_folded():
    body = (
        b"--x\nCONTENT-TYPE: Application/PKCS7-mime;\n\tSmime-Type=certs-only\nX: y\n  z\n\n--x\n"
        b"content-type:a/b ; x\nContent-Type: c/d\n\n\n--x--"
    )
    assert await parts(body) == [
        ("application/pkcs7-mime", b""),
        ("a/b", b"\n"),
    ]


async def test_lines_longer_than_the_buffer_and_boundaries_anywhere_in_it():
    for length in range(110, 150):
        content = b"A" * length + b"--x"
        body = b"--x\r\n\r\n" + content + b"\r\n--x--"
        for step in (1, 50, 1000):
            assert await parts(body, step=step) == [("", content + b"\r\n")], (length, step)


async def test_every_truncation_is_an_error():
    body = b"pre\r\n--x\r\nContent-Type: a/b\r\n\r\nAAAA\r\n--x\r\n\r\nBBBB\r\n--x--"
    assert len(await parts(body)) == 2
    for size in range(len(body)):
        await araises(ProtocolError, parts(body[:size]))


async def test_another_boundary_than_announced_is_an_error():
    error = await araises(ProtocolError, parts(b"--y\r\n\r\nAAAA\r\n--y--\r\n"))
    assert "before its last boundary" in str(error)


async def test_a_type_that_is_no_text_is_passed_over():
    assert await parts(b"--x\nContent-Type: \xff\xfe\n\n\n--x--") == [("?", b"\n")]


async def test_without_a_content_type_the_first_boundary_shows_itself():
    assert boundary_of("") is None
    body = b"preamble\r\n--\r\n--x\r\n\r\n1\r\n--x--\r\n"
    assert await parts(body, None) == [("", b"1\r\n")]
    await araises(ProtocolError, parts(b"--" + b"b" * 71 + b"\n\n1\n--" + b"b" * 71 + b"--", None))
    await araises(ProtocolError, parts(b"<html>no multipart</html>", None))


async def test_heads_out_of_bounds_are_refused():
    await araises(LimitError, parts(b"--x\r\nX: " + b"y" * 200 + b"\r\n\r\n\r\n--x--"))
    await araises(LimitError, parts(b"--x\r\n" + b"X: y\r\n" * 17 + b"\r\n\r\n--x--"))


def test_boundaries_quoted_or_not():
    for text, boundary in (
        ("multipart/mixed; boundary=" + BOUNDARY.decode(), BOUNDARY),
        ('Multipart/Mixed ;charset=x; BOUNDARY = "a b\'()+_,-./:=?"', b"a b'()+_,-./:=?"),
        ("multipart/mixed;boundary=" + "b" * 70, b"b" * 70),
        ("multipart/mixed;boundary=a=b", b"a=b"),
    ):
        assert boundary_of(text) == boundary


def test_boundaries_that_are_none():
    for text in ("text/html; boundary=x", "multipart/mixed", "application/pkcs8"):
        raises(ProtocolError, boundary_of, text)
    for value in ("", '""', '"', "b" * 71, '"ends with space "', "a\\b", "a*b", '"a"b"'):
        raises(ProtocolError, boundary_of, "multipart/mixed; boundary=" + value)
