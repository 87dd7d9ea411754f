"""HTTP Digest (RFC 7616, and servers of RFC 2617): MD5 and SHA-256, -sess, qop=auth or none.

Not here: qop=auth-int, SHA-512-256, hashed user names. Loaded only for a server that asks for it.
"""

import hashlib
import os
from binascii import hexlify

from micropython import const

# What begin() returns is a list, for an instance of a class would hold this module in the heap.
_PREFIX = const(0)  # the header's parameters that stay the same (str)
_STRENGTH = const(1)  # 1 MD5, 2 SHA-256
_SECRET = const(2)  # H(A1) in hex (str)
_NONCE = const(3)
_CNONCE = const(4)  # str, or None for a server without qop
_COUNT = const(5)  # of the requests with this nonce


def strongest(challenges):
    """Return the parameters (dict) of the strongest challenge that can be answered, or None.

    challenges: as est_auth.challenges() returns them.
    """
    best, most = None, 0
    for scheme, parameters in challenges:
        strength = _strength(parameters) if scheme.lower() == "digest" else 0
        if strength > most:
            best, most = parameters, strength
    return best


def begin(parameters, credential):
    """Return the state (list) from which answer() makes headers; it holds no password.

    parameters: dict of strongest(); credential: (user name, password), str or None.
    """
    user, password = credential[0] or "", credential[1] or ""
    realm, nonce = parameters["realm"], parameters["nonce"]
    algorithm = parameters.get("algorithm", "")
    strength = _strength(parameters)
    cnonce = hexlify(os.urandom(16)).decode() if "qop" in parameters else None
    secret = _hash(strength, user + ":" + realm + ":" + password)
    if algorithm.lower().endswith("-sess"):
        # RFC 7616 3.4.2: made once; so the client's nonce stays for as long as the server's.
        secret = _hash(strength, secret + ":" + nonce + ":" + cnonce)
    prefix = _user_name(user, parameters) + ", realm=" + _quoted(realm)
    if algorithm:
        prefix += ", algorithm=" + algorithm
    if "opaque" in parameters:
        prefix += ", opaque=" + _quoted(parameters["opaque"])
    return [prefix, strength, secret, nonce, cnonce, 0]


def answer(state, method, target):
    """Return the Authorization header (str) of one request, and count it.

    state: of begin(). method, target: str, as they stand in the request line (RFC 7616 3.4.6).
    """
    state[_COUNT] += 1
    strength, nonce, cnonce = state[_STRENGTH], state[_NONCE], state[_CNONCE]
    between, parameters = nonce, ""
    if cnonce:
        count = "%08x" % state[_COUNT]
        between += ":" + count + ":" + cnonce + ":auth"
        parameters = ', qop=auth, nc=%s, cnonce="%s"' % (count, cnonce)
    request = _hash(strength, method + ":" + target)
    response = _hash(strength, state[_SECRET] + ":" + between + ":" + request)
    return 'Digest %s, nonce=%s, uri="%s", response="%s"%s' % (
        state[_PREFIX],
        _quoted(nonce),
        target,
        response,
        parameters,
    )


def follow(state, header):
    """Take up the next nonce of an Authentication-Info header (str; RFC 7616 3.5), if any."""
    from est_auth import challenges

    nonce = challenges("Digest " + header)[0][1].get("nextnonce")
    if nonce:
        state[_NONCE] = nonce
        state[_COUNT] = 0


def _strength(parameters):
    """Return how strong a challenge is: 2, 1, or 0 where it cannot be answered."""
    if "realm" not in parameters or "nonce" not in parameters:
        return 0
    algorithm = parameters.get("algorithm", "md5").lower()
    if "qop" in parameters:
        if "auth" not in [word.strip() for word in parameters["qop"].lower().split(",")]:
            return 0
    elif algorithm.endswith("-sess"):
        return 0  # its key is made of a nonce that only qop has
    if algorithm in ("sha-256", "sha-256-sess"):
        return 2
    # A port may leave MD5 out.
    return 1 if algorithm in ("md5", "md5-sess") and hasattr(hashlib, "md5") else 0


def _user_name(user, parameters):
    """Return the user name's parameter: RFC 8187's form where the server knows RFC 7616."""
    octets = user.encode()
    if len(octets) == len(user) or parameters.get("charset", "").lower() != "utf-8":
        return "username=" + _quoted(user)
    return "username*=UTF-8''" + "".join(["%%%02X" % octet for octet in octets])


def _hash(strength, text):
    digest = hashlib.sha256 if strength == 2 else hashlib.md5
    return hexlify(digest(text.encode()).digest()).decode()


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
