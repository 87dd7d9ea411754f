"""The decoded body of a successful EST response (RFC 7030 section 4, RFC 8951)."""

from base64_stream import Base64Reader
from est_errors import LimitError, ProtocolError

# What a web server or a login page sends where an EST server would send base64.
_NOT_EST = ("text/html", "application/json", "application/xhtml+xml", "text/xml")


async def body(response, limits, view):
    """Return the octets (bytearray) whose base64 is the body of a 200 response.

    view: memoryview of the buffer for its text. The content type is taken leniently, and
    Content-Transfer-Encoding is ignored (RFC 8951 3). Raises ProtocolError, and LimitError above
    limits.MAX_BODY.
    """
    if response.content_type in _NOT_EST:
        raise ProtocolError(
            "the server answered with %s, not with an EST message: is the URL right?"
            % response.content_type
        )
    reader = Base64Reader(response, view)
    out = bytearray()
    while True:
        octets = await reader.read()
        if not octets:
            break
        if len(out) + len(octets) > limits.MAX_BODY:
            raise LimitError("the response is larger than %d bytes" % limits.MAX_BODY)
        out.extend(octets)
    # DER says itself where it ends; nothing at all could be a cut-off connection.
    if not out and not response.framed:
        raise ProtocolError("the connection ended before the response's body")
    return out
