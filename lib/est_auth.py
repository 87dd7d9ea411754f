"""Answers a server's HTTP challenge (RFC 9110 11): Basic (RFC 7617), Bearer (RFC 6750), Digest.

Loaded only on a 401. The arithmetic of Digest is in est_digest.
"""

from binascii import b2a_base64

_SPACE = b" \t"
_DELIMITERS = b' \t,="'
_SHOWN = 80  # characters of a challenge that stand in an error


def answer(client, response, answered):
    """Take up a 401 of an authorised server (RFC 7030 3.2.3); return whether it can be answered.

    client: est.Client, which is on a verified connection; its later requests carry the answer
    without another 401. answered: int, the challenges that this exchange has answered already.
    Each is answered once, and once more where the server says that a Digest nonce is stale. The
    strongest scheme is taken: Digest with SHA-256, Digest with MD5, Basic.
    """
    found = challenges(response.headers.get("www-authenticate", ""))
    credential = client._credential
    schemes = [scheme.lower() for scheme, _ in found]
    if isinstance(credential, str):
        # Servers of bearer tokens often give no challenge with their 401.
        if client._authorization or (found and "bearer" not in schemes):
            return False
        client._authorization = bearer(credential)
        return True
    if "digest" in schemes:
        import est_digest

        wanted = est_digest.strongest(found)
        if wanted:
            if answered > 1 or (answered and wanted.get("stale", "").lower() != "true"):
                return False
            client._authorization = est_digest.begin(wanted, credential)
            return True
    if client._authorization or "basic" not in schemes:
        return False
    client._authorization = _basic(credential)
    return True


def bearer(token):
    """Return the Authorization header of a token (str)."""
    return "Bearer " + token


def _basic(credential):
    pair = ((credential[0] or "") + ":" + (credential[1] or "")).encode()
    return "Basic " + b2a_base64(pair)[:-1].decode()


def offered(header):
    """Return the schemes of a WWW-Authenticate header (str) for a message, bounded (str)."""
    names = []
    for scheme, parameters in challenges(header):
        if scheme.lower() == "digest":
            scheme += " " + parameters.get("algorithm", "MD5")
            if "qop" in parameters:
                scheme += " " + parameters["qop"]
        names.append(scheme)
    return ", ".join(names)[:_SHOWN] or "no HTTP scheme"


def challenges(header):
    """Return what a WWW-Authenticate header (str) offers: a list of (scheme, parameters).

    RFC 9110 11.6.1: several challenges in one header, each with parameters (a dict of str, names
    in lower case) or with a token68, which is left out. What is malformed is read past.
    """
    text = header.encode()
    found = []
    fresh = True  # a scheme stands at the beginning, or behind a comma
    i = 0
    while i < len(text):
        start = i
        if text[i] in b" \t,":
            fresh = fresh or text[i] == 0x2C
            i += 1
            continue
        while i < len(text) and text[i] not in _DELIMITERS:
            i += 1
        name = text[start:i].decode()
        i = _past_space(text, i)
        if not name:
            i += 1  # a delimiter where a name should stand
        elif found and text[i : i + 1] == b"=":
            value, i = _value(text, _past_space(text, i + 1))
            found[-1][1].setdefault(name.lower(), value)
        elif fresh:
            found.append((name, {}))
        fresh = False
    return found


def _value(text, i):
    """Return the token or quoted-string (RFC 9110 5.6.4) at i as str, and where it ends."""
    start = i
    if text[i : i + 1] != b'"':
        while i < len(text) and text[i] not in b" \t,":
            i += 1
        return text[start:i].decode(), i
    value = b""
    i = start = i + 1
    while i < len(text) and text[i] != 0x22:
        if text[i] == 0x5C:
            value += text[start:i]
            i = start = i + 1
        i += 1
    return (value + text[start:i]).decode(), i + 1


def _past_space(text, i):
    while i < len(text) and text[i] in _SPACE:
        i += 1
    return i
