"""Follows a server's redirect (RFC 7030 3.2.1), within its origin or to one that is allowed.

Another origin is a new connection with all checks, against the new host; nothing that the device
is known by goes along: no Authorization header, no client certificate. What the new host asks for
by a challenge of its own is answered afresh. After the operation the client is at home again.
Loaded only on a redirect.
"""

from est_errors import ConfigError, TrustError
from micropython import const

_INFO = const(20)  # of logging
_WARNING = const(30)


async def follow(client, path, response):
    """Return the request-target (str) to which a redirect leads, or None: it is not followed.

    client: est.Client, which is at the other origin afterwards, where it is one; path: str, the
    target that was asked for; response: the http_stream.Response. Raises ConfigError where what
    the settings allow is no origin.
    """
    location = response.headers.get("location", "").split("#")[0]
    if not location:
        return None
    for c in location:
        if not "!" <= c <= "~" or c == "\\":
            return None
    scheme, colon, rest = location.partition(":")
    if colon and "/" not in scheme and "?" not in scheme:
        if scheme.lower() != "https" or not rest.startswith("//"):
            return None  # never to plain HTTP
        location = rest
    if not location.startswith("//"):
        return resolve(path, location)
    name, _, tail = location[2:].partition("/")
    if "?" in name:
        name, _, tail = location[2:].partition("?")
        tail = "?" + tail
    origin = parse(name)
    if origin is None:
        return None
    if origin != (client._host.lower(), client._port):
        if not _allowed(client, origin):
            return None
        await _move(client, origin)
    return resolve("/", "/" + tail)


async def home(client):
    """Bring a client back to the server of its settings."""
    client._host, client._port, client._identity, client._authorization, client._psk = client._home
    client._home = None
    await client.close()


def parse(text):
    """Return (host in lower case, port) of HOST[:PORT] (str), or None where it is none."""
    host, _, port = text.partition(":")
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and port[0] != ":"):
            return None
        port = port[1:]
    if not host or "@" in text or "/" in text or (port and not port.encode().isdigit()):
        return None
    number = int(port[:6] or 443)
    return (host.lower(), number) if 0 < number < 65536 else None


def resolve(base, reference):
    """Return the request-target of a reference without an authority (RFC 3986 5.2; str each)."""
    path, question, query = reference.partition("?")
    before = base.partition("?")[0]
    if not path:
        path = before
        if not question:
            return base
    elif not path.startswith("/"):
        path = before[: before.rfind("/") + 1] + path
    kept = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept) + question + query


def _allowed(client, origin):
    """Return whether the settings allow this origin; their own server is allowed to lead back."""
    if _is_home(client, origin):
        return True
    for text in client.redirects:
        allowed = parse(text)
        if allowed is None:
            raise ConfigError("redirects: %s is not HOST[:PORT]" % text)
        if allowed == origin:
            return True
    return False


def _is_home(client, origin):
    return client._home and origin == (client._home[0].lower(), client._home[1])


async def _move(client, origin):
    """Let the client's next connection be one to this origin."""
    if _is_home(client, origin):
        await home(client)
        return
    await client.close()
    if client._home is None:
        client._home = (
            client._host,
            client._port,
            client._identity,
            client._authorization,
            client._psk,
        )
    if client._identity:
        client._log(_WARNING, "redirect: the client certificate does not go along")
    client._host, client._port = origin
    client._identity = client._authorization = client._psk = None
    if client._provisional:
        raise TrustError(
            "redirect: the pre-shared key is not for %s:%d, and nothing else vouches for it"
            % origin
        )
    client._log(_INFO, "redirect: on to %s:%d" % origin)
