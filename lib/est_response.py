"""What an HTTP response means in EST: the decoded body, or the error (RFC 7030 4.2.3, 4.5.2)."""

import unix_time
from base64_stream import Base64Reader
from est_errors import AuthError, LimitError, ProtocolError, RetryLater, ServerError

# What a web server or a login page sends where an EST server would send base64.
_NOT_EST = ("text/html", "application/json", "application/xhtml+xml", "text/xml")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


async def body(response, limits):
    """Return the octets (bytearray) whose base64 is the body of a 200 response.

    The content type is taken leniently, Content-Transfer-Encoding is ignored (RFC 8951 3). Raises
    ProtocolError, and LimitError above limits.MAX_BODY.
    """
    if response.content_type in _NOT_EST:
        raise ProtocolError(
            "the server answered with %s, not with an EST message: is the URL right?"
            % response.content_type
        )
    reader = Base64Reader(response, memoryview(bytearray(limits.CHUNK_SIZE)))
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


async def error(response, limits, now, authenticated):
    """Return the error (an EstError) for a response that is no success.

    now: Unix seconds, for a Retry-After that is a date. authenticated: whether HTTP credentials
    were sent.
    """
    status = response.status
    reason = await _reason(response, limits)
    shown = ": " + reason if reason else ""
    if status == 202 or (status in (429, 503) and "retry-after" in response.headers):
        after = retry_after(response.headers.get("retry-after"), now)
        said = "not yet (202)" if status == 202 else "it is busy (%d)" % status
        wait = "" if after is None else "; try again in %d s" % after
        return RetryLater("the server says " + said + wait + shown, status, after, reason)
    if status == 401 and authenticated:
        return AuthError("the server refused user name and password (401)" + shown, 401, reason)
    if status == 401:
        challenge = response.headers.get("www-authenticate", "")
        scheme = challenge.split(" ")[0].split(",")[0] or "no HTTP scheme"
        return AuthError(
            "the server wants other credentials (401, %s)%s" % (scheme, shown), 401, reason
        )
    if status == 403:
        return AuthError("the server forbids it (403)" + shown, 403, reason)
    if status == 404:
        return ServerError("the server does not know this URL or label (404)" + shown, 404, reason)
    if 300 <= status < 400:
        where = response.headers.get("location", "nowhere")[:80]
        return ServerError(
            "the server redirects (%d) to %s, which is not followed" % (status, where), status
        )
    return ServerError("the server refused (%d)%s" % (status, shown), status, reason)


def retry_after(value, now):
    """Return the seconds (int) of a Retry-After header (str or None), or None.

    RFC 9110 10.2.3: a number of seconds, or a date, which counts from `now` (Unix seconds).
    """
    if not value:
        return None
    if value.isdigit():
        return int(value[:9])
    parts = value.split()
    try:
        # "Sun, 06 Nov 1994 08:49:37 GMT"
        _, day, month, year, clock, zone = parts
        hour, minute, second = [int(part) for part in clock.split(":")]
        when = unix_time.from_date(
            int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second
        )
    except ValueError:
        return None
    return max(0, when - now) if zone == "GMT" else None


async def _reason(response, limits):
    """Return the server's plain-text reason (RFC 8951 5), bounded, or ""."""
    if response.status == 202 or response.content_type not in ("", "text/plain"):
        return ""
    return await response.text(limits.MAX_ERROR_TEXT)
