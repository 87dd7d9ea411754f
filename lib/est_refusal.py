"""What a response means that is no success (RFC 7030 4.2.3, RFC 8951 5): the error to raise.

Loaded only when a server refuses.
"""

import unix_time
from est_errors import AuthError, NetworkError, ProtocolError, RetryLater, ServerError
from micropython import const

_SPACE = const(32)
_DATE = const(40)  # characters; "Wednesday, 09-Sep-26 08:49:37 GMT" has 33
_CENTURY = const(70)  # a year of two digits from here on is of the last one

_MONTHS = const("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ")


def error(response, reason, limits, now, authenticated):
    """Return the error (an EstError) for a response that is no success.

    reason: what reason() read, or "". now: Unix seconds, for a Retry-After that is a date.
    authenticated: what est.Client sends as HTTP credentials, or None.
    """
    status = response.status
    shown = ": " + reason if reason else ""
    if status in (202, 429, 503):
        after = retry_after(response.headers.get("retry-after"), now)
        if after is not None:
            after = min(after, limits.MAX_RETRY_AFTER)
        said = "not yet (202)" if status == 202 else "it is busy (%d)" % status
        wait = "" if after is None else "; try again in %d s" % after
        return RetryLater("the server says " + said + wait + shown, status, after, reason)
    if status == 401 and authenticated:
        bearer = isinstance(authenticated, str) and authenticated.startswith("Bearer")
        what = "the token" if bearer else "user name and password"
        return AuthError("the server refused %s (401)%s" % (what, shown), 401, reason)
    if status == 401:
        from est_auth import offered

        schemes = offered(response.headers.get("www-authenticate", ""))
        return AuthError(
            "the server wants other credentials (401, %s)%s" % (schemes, shown), 401, reason
        )
    if status == 403:
        return AuthError("the server forbids it (403)" + shown, 403, reason)
    if status == 404:
        return ServerError("the server does not know this URL or label (404)" + shown, 404, reason)
    if 300 <= status < 400:
        where = response.headers.get("location", "nowhere")[:80]
        rule = (
            "at most %d are, and other hosts have to stand in the setting redirects"
            % limits.MAX_REDIRECTS
        )
        if where[:5].lower() == "http:":
            rule = "plain HTTP never is (RFC 7030 3.3)"
        return ServerError(
            "the server redirects (%d) to %s, which is not followed; %s" % (status, where, rule),
            status,
        )
    return ServerError("the server refused (%d)%s" % (status, shown), status, reason)


def retry_after(value, now):
    """Return the seconds (int) of a Retry-After header (str or None), or None.

    RFC 9110 10.2.3: a number of seconds, or a date in one of the three forms of 5.6.7, which
    counts from `now` (Unix seconds).
    """
    if not value:
        return None
    if value.isdigit():
        return int(value[:9])
    if len(value) > _DATE:
        return None
    parts = value.replace("-", " ").split()
    try:
        if len(parts) == 5:  # "Sun Nov  6 08:49:37 1994"
            _, month, day, clock, year = parts
            zone = "GMT"
        else:  # "Sun, 06 Nov 1994 08:49:37 GMT", or "Sunday, 06-Nov-94 08:49:37 GMT"
            _, day, month, year, clock, zone = parts
        hour, minute, second = [int(part) for part in clock.split(":")]
        years = int(year)
        if len(year) == 2:
            years += 1900 if years >= _CENTURY else 2000
        number = _MONTHS.index(month + " ") // 4 + 1
        when = unix_time.from_date(years, number, int(day), hour, minute, second)
    except ValueError:
        return None
    return max(0, when - now) if zone == "GMT" else None


async def reason(response, limits):
    """Return the server's reason, bounded, or "": text (RFC 8951 5) or PKI Response (4.3.2).

    The status has come whole and decides what the device does: what breaks here is passed over.
    """
    try:
        return await _reason(response, limits)
    except (NetworkError, ProtocolError):
        return ""


async def _reason(response, limits):
    if response.headers.get("content-encoding"):
        return ""
    if response.content_type == "application/pkcs7-mime" and response.status >= 400:
        import est_fullcmc

        return await est_fullcmc.reason(response, limits)
    if response.status == 202 or response.content_type not in ("", "text/plain"):
        return ""
    return await text(response, limits.MAX_ERROR_TEXT)


async def text(response, limit):
    """Return at most limit bytes of a response's body, as printable ASCII on one line (str)."""
    out = bytearray(limit)
    view = memoryview(out)
    size = 0
    while size < limit:
        count = await response.readinto(view[size:])
        if not count:
            break
        size += count
    for i in range(size):
        if not _SPACE <= out[i] < 127:
            out[i] = _SPACE
    return " ".join(bytes(view[:size]).decode().split())
