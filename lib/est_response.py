"""The decoded body of a successful EST response (RFC 7030 section 4, RFC 8951)."""

from base64_stream import Base64Reader
from est_errors import LimitError, NetworkError, ProtocolError
from micropython import const

_SEQUENCE = const(0x30)  # DER begins so; base64 of it begins with "M"
_HYPHEN = const(0x2D)  # PEM begins so
# What a web server or a login page sends where an EST server would send base64.
_NOT_EST = ("text/html", "application/json", "application/xhtml+xml", "text/xml")


async def body(response, limits, view):
    """Return the octets (bytearray) of a 200 response: its body is their base64.

    view: memoryview of the buffer for its text. The content type is taken leniently, and
    Content-Transfer-Encoding is ignored (RFC 8951 3). Bare DER and PEM, which some servers send,
    are told by their first octet. Raises ProtocolError, NetworkError where the
    connection ends before it, and LimitError above limits.MAX_BODY.
    """
    reader = _reader(response, view, await response.readinto(view))
    out = bytearray()
    # Not in a coroutine of its own: the frame of one that has ended still holds all it had, and
    # through it the connection stayed in the heap (12 KiB) while its answer was checked.
    while True:
        octets = await reader.read()
        if not octets:
            break
        if len(out) + len(octets) > limits.MAX_BODY:
            raise LimitError("the response is larger than %d bytes" % limits.MAX_BODY)
        out.extend(octets)
    # DER says itself where it ends; nothing at all could be a cut-off connection.
    if not out and not response.framed:
        raise _cut_off()
    return out


async def certificates(response, limits, view):
    """Return the certificates (list of DER bytes) of a 200 response with a certs-only message.

    They are told apart while they arrive, so that the message is never held whole. Arguments and
    errors as body()'s, and DerError.
    """
    count = await response.readinto(view)
    if not count and not response.framed:
        raise _cut_off()
    from pki import cms_stream

    reader = _reader(response, view, count)
    return await cms_stream.certificates(reader, limits.MAX_BODY, limits.MAX_CERTIFICATES)


def _cut_off():
    return NetworkError("the connection ended before the response's body")


def _reader(response, view, count):
    """Return what decodes a body, of which count octets are in view: see body()."""
    if response.content_type in _NOT_EST:
        raise ProtocolError(
            "the server answered with %s, not with an EST message: is the URL right?"
            % response.content_type
        )
    first = view[0] if count else 0
    if first in (_SEQUENCE, _HYPHEN):
        import pem_stream

        kind = pem_stream.DerReader if first == _SEQUENCE else pem_stream.PemReader
        return kind(response, view, count)
    return Base64Reader(response, view, count)
