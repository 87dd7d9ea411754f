"""The chunked transfer coding (RFC 9112 7.1) of http_stream.Response; loaded where it is used."""

from est_errors import ProtocolError
from micropython import const

_MAX_DIGITS = const(20)  # of a chunk size, zeros before it included
_MOST = const(0xFFFFFFF)


async def next_chunk(response):
    """Read a chunk's size line, or the trailers behind the last chunk, of an http_stream.Response.

    Raises ProtocolError where a chunk is badly framed, and what reading lines raises.
    """
    connection = response._connection
    if response._chunks and await connection._line():
        raise ProtocolError("HTTP: a chunk does not end where it said")
    response._chunks += 1
    digits = (await connection._line()).split(b";")[0].strip()
    size = 0
    for c in digits:
        digit = b"0123456789abcdef".find(bytes((c | 0x20,)))
        if digit < 0 or (c < 0x30):
            raise ProtocolError("HTTP: bad chunk size")
        size = size << 4 | digit
    if not digits or len(digits) > _MAX_DIGITS or size > _MOST:
        raise ProtocolError("HTTP: bad chunk size")
    response._left = size
    if not size:
        await response._fields({})
        response._done = True
