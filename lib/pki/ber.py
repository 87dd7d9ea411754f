"""The indefinite lengths of BER (X.690 8.1.3.6), as some servers use them around a CMS message."""

from est_errors import DerError
from micropython import const

_INDEFINITE = const(-1)  # as pki.der has it
_MAX_OPEN = const(20)  # elements


def contents(reader, body):
    """Find the end-of-contents octets that close the element whose contents start at body.

    reader: the pki.der.Reader that met it; body: an offset. Returns (start of contents, end of
    contents, start of the next element). Raises DerError where nothing closes it.
    """
    pos, open_elements = body, 1
    while pos < reader.end:
        if reader._buf[pos] == 0:
            if pos + 1 >= reader.end or reader._buf[pos + 1]:
                break
            open_elements -= 1
            if not open_elements:
                return body, pos, pos + 2
            pos += 2
            continue
        pos, length = reader._length(pos)
        if length == _INDEFINITE:
            open_elements += 1
            if open_elements > _MAX_OPEN:
                raise DerError("DER: nested deeper than %d levels" % _MAX_OPEN)
        else:
            pos += length
    raise DerError("DER: an indefinite length is never closed")
