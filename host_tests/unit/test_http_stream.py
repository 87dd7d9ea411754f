import est_limits
import est_refusal
from checks import araises
from est_errors import LimitError, NetworkError, ProtocolError
from http_stream import HttpConnection


class Limits:
    CHUNK_SIZE = 64
    MAX_HEADERS = 5
    MAX_BODY = 100
    MAX_INTERIM = 2


class Wire:
    """A connection that answers with given bytes, at most `step` of them at a time."""

    def __init__(self, answer, step=1000):
        self.answer, self.step, self.sent = answer, step, b""

    async def write(self, data):
        self.sent += data

    async def readinto(self, view):
        count = min(len(view), self.step, len(self.answer))
        view[:count] = self.answer[:count]
        self.answer = self.answer[count:]
        return count

    def idle(self):
        return not self.answer


def connect(wire, host="h", limits=Limits):
    return HttpConnection(wire, host, limits, memoryview(bytearray(limits.CHUNK_SIZE)))


async def exchange(answer, step=1000, method="GET", limits=Limits):
    connection = connect(Wire(answer, step), limits=limits)
    response = await connection.request(method, "/")
    return connection, response, await body(response)


async def body(response):
    out, view = b"", memoryview(bytearray(16))
    while True:
        count = await response.readinto(view)
        if not count:
            return out
        out += bytes(view[:count])


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"5;name=value\r\nhello\r\n00A \r\n, the worl\r\n1\r\nd\r\n0\r\nTrailer: x\r\n\r\n"
)


async def test_a_request_is_one_write_with_its_length():
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection = connect(wire, "est.example:8443", est_limits)
    await connection.request("POST", "/a", (("Content-Type", "text/plain"),), b"xyz")
    assert wire.sent == (
        b"POST /a HTTP/1.1\r\nHost: est.example:8443\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 3\r\n\r\nxyz"
    )


async def test_a_header_value_cannot_smuggle_a_line():
    connection = connect(Wire(b""))
    await araises(ProtocolError, connection.request("GET", "/", (("A", "b\r\nC: d"),)))


async def test_a_body_of_known_length():
    answer = (
        b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH:  5 \r\nContent-Type: Text/Plain; a=b\r\n\r\nhello"
    )
    for step in (1, 2, 7, 1000):
        connection, response, text = await exchange(answer, step)
        assert text == b"hello" and response.status == 200
        assert response.content_type == "text/plain"
        assert connection.reusable and response.framed


async def test_a_chunked_body_with_extensions_and_trailers():
    for step in (1, 2, 3, 1000):
        connection, _, text = await exchange(CHUNKED, step)
        assert text == b"hello, the world" and connection.reusable


async def test_two_responses_on_one_connection():
    wire = Wire(b"", 50)
    connection = connect(wire)
    for _ in range(2):
        wire.answer = CHUNKED
        assert await body(await connection.request("GET", "/")) == b"hello, the world"
        assert connection.reusable


async def test_what_comes_behind_an_answer_is_no_answer_to_the_next_request():
    for more in (b"H", CHUNKED):
        for step in (1000, 1):  # read with the answer, or not read yet
            connection, _, text = await exchange(CHUNKED + more, step)
            assert text == b"hello, the world" and not connection.reusable


async def test_a_body_that_ends_with_the_connection_is_marked():
    connection, response, text = await exchange(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert text == b"hello" and not response.framed and not connection.reusable


async def test_connections_that_are_not_kept():
    for head in (
        b"HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ):
        connection, _, _ = await exchange(head)
        assert not connection.reusable
    connection, _, _ = await exchange(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n"
    )
    assert connection.reusable


async def test_a_connection_is_not_reusable_inside_a_body():
    wire = Wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    connection = connect(wire)
    response = await connection.request("GET", "/")
    assert not connection.reusable
    await response.discard(100)
    assert connection.reusable


async def test_responses_without_a_body():
    for status in (b"204 None", b"304 Same"):
        answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 9\r\n\r\n"
        assert (await exchange(answer))[2] == b""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    assert (await exchange(head, method="HEAD"))[2] == b""


async def test_interim_responses_are_skipped_and_bounded():
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    final = b"HTTP/1.1 204 None\r\n\r\n"
    _, response, _ = await exchange(interim + final, 1)
    assert response.status == 204
    await araises(LimitError, exchange(interim + interim + final))
    await araises(ProtocolError, exchange(b"HTTP/1.1 101 Switching\r\n\r\n"))


async def test_a_closed_connection_is_told_from_a_cut_one():
    await araises(NetworkError, exchange(b""))
    for cut in (b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"):
        # It is the network's fault, not the server's words: trying again may help.
        error = await araises(NetworkError, exchange(cut))
        assert "ended" in str(error)


async def test_every_cut_of_a_response_is_noticed():
    for whole in (CHUNKED, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"):
        for size in range(len(whole)):
            await araises(NetworkError, exchange(whole[:size], 7))


async def test_limits():
    line = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70
    await araises(LimitError, exchange(line + b"\r\n\r\n"))
    await araises(LimitError, exchange(b"x" * 70))
    await araises(LimitError, exchange(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 6 + b"\r\n"))
    many = b"".join(b"1\r\nx\r\n" for _ in range(500))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    await araises(LimitError, exchange(chunked + many + b"0\r\n\r\n"))
    await araises(LimitError, exchange(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 500))
    trailers = b"0\r\n" + b"A: b\r\n" * 9 + b"\r\n"
    await araises(LimitError, exchange(chunked + trailers))


async def test_one_request_may_take_a_larger_body():
    for framing in (b"Content-Length: 900\r\n", b""):
        for most, good in ((900, True), (899, False)):
            wire = Wire(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + b"x" * 900)
            response = await connect(wire).request("GET", "/", most=most)
            if good:
                assert await body(response) == b"x" * 900
            else:
                await araises(LimitError, body(response))


async def test_malformed_responses_are_refused():
    for bad in (
        b"<html></html>\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 020 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n123456789\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
    ):
        await araises(ProtocolError, exchange(bad))
        await araises(ProtocolError, exchange(bad, 1))


async def test_lines_of_one_header_are_joined_within_a_bound():
    line = b"WWW-Authenticate: " + b"y" * 30 + b"\r\n"
    end = b"Content-Length: 0\r\n\r\n"
    response = await connect(Wire(b"HTTP/1.1 401 No\r\n" + line * 2 + end)).request("GET", "/")
    assert response.headers["www-authenticate"] == "y" * 30 + ", " + "y" * 30
    wire = Wire(b"HTTP/1.1 401 No\r\n" + line * 3 + end)
    error = await araises(LimitError, connect(wire).request("GET", "/"))
    assert "too much in the header lines www-authenticate" in str(error)


async def test_a_folded_header_line_is_one():
    """RFC 9112 5.2: a user agent has to take it, with a space where the line broke."""
    answer = (
        b"HTTP/1.1 200 OK\r\nX: y\r\n  passed over\r\nContent-Type: multipart/mixed;\r\n"
        b"\tboundary=b\r\nContent-Length: 1\r\n\r\nx"
    )
    for step in (1000, 1):
        response = (await exchange(answer, step))[1]
        assert response.headers["content-type"] == "multipart/mixed; boundary=b"
    answer = b"HTTP/1.1 503 No\r\nRetry-After:\r\n 120\r\nContent-Length:\r\n\t0\r\n\r\n"
    assert (await exchange(answer))[1].headers["retry-after"] == "120"
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 1\r\n\r\nx"
    await araises(ProtocolError, exchange(twice))
    long = b"HTTP/1.1 200 OK\r\nLocation: x\r\n" + b" yyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 3
    await araises(LimitError, exchange(long + b"Content-Length: 0\r\n\r\n"))
    await araises(LimitError, exchange(b"HTTP/1.1 200 OK\r\nX: y\r\n" + b" z\r\n" * 9))


async def test_sizes_may_begin_with_zeros():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0000000001\r\n\r\nx"
    assert (await exchange(answer))[2] == b"x"
    chunks = b"0000000A\r\n0123456789\r\n000000000\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    assert (await exchange(answer))[2] == b"0123456789"


async def test_the_status_of_a_compressed_refusal_counts():
    for coding in (b"gzip", b""):
        head = b"HTTP/1.1 503 No\r\nContent-Encoding: %s\r\n" % coding
        wire = Wire(head + b"Retry-After: 300\r\nContent-Length: 2\r\n\r\nno")
        response = await connect(wire).request("GET", "/")
        reason = await est_refusal.reason(response, est_limits)
        error = est_refusal.error(response, reason, est_limits, 0, None)
        assert (error.status, error.retry_after) == (503, 300)
        assert error.message.endswith("300 s: no" if not coding else "300 s")


async def test_a_status_counts_whatever_comes_of_its_body():
    """The device's own mistake must not look like the network's, which it would try again."""
    for rest in (
        b"Content-Length: 50\r\n\r\ncut",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Content-Type: application/pkcs7-mime\r\nContent-Length: 50\r\n\r\ncut",
    ):
        response = await connect(Wire(b"HTTP/1.1 403 No\r\n" + rest)).request("GET", "/")
        reason = await est_refusal.reason(response, est_limits)
        error = est_refusal.error(response, reason, est_limits, 0, None)
        assert error.status == 403, rest


async def test_an_equal_second_content_length_is_taken():
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"
    assert (await exchange(answer))[2] == b"x"


async def test_bare_line_feeds_are_taken():
    answer = b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi"
    assert (await exchange(answer))[2] == b"hi"


async def test_an_error_text_is_bounded_and_printable():
    wire = Wire(
        b"HTTP/1.1 400 Bad\r\nContent-Length: 24\r\n\r\n\x1b[31mno\r\n  such\x00\xffsubject"
    )
    response = await connect(wire).request("GET", "/")
    assert await est_refusal.text(response, 20) == "[31mno such sub"
