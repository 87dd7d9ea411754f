"""Checks what an est.Client is made with; leaves the heap again before anything is sent."""

from binascii import unhexlify

from est_errors import ConfigError

_OPERATIONS = ("cacerts", "simpleenroll", "simplereenroll", "fullcmc", "serverkeygen", "csrattrs")


def check(client, user, password, token, certificate, key, ask):
    """Raise ConfigError where the arguments of an est.Client do not go together."""
    if user and ":" in user:
        raise ConfigError("a user name with a colon cannot be sent by HTTP Basic")
    if token and client._credential != token:
        raise ConfigError("give user and password, or a token, not both")
    if (certificate is None) != (key is None):
        raise ConfigError("a client certificate needs its key, and a key its certificate")
    if client._revocation not in (None, "soft", "hard"):
        raise ConfigError("revocation is soft, hard, or None for off")
    if client._psk:
        import est_psk

        est_psk.check(client._psk, certificate)
    if client._provisional and not client._fingerprint and not ask:
        raise ConfigError("no trust: give anchors, or the SHA-256 fingerprint of the CA")


def base_path(label):
    """Return "/.well-known/est/" with the label, which RFC 7030 3.2.2 restricts."""
    if not label:
        return "/.well-known/est/"
    for c in label:
        if not (c.isalpha() or c.isdigit() or c in "-._~%/!$&'()*+,;=:@") or ord(c) > 126:
            raise ConfigError("label %r: %r may not stand in a URL path" % (label, c))
    if label in _OPERATIONS:
        raise ConfigError("label %r is the name of an operation" % label)
    return "/.well-known/est/" + label.strip("/") + "/"


def fingerprint_octets(text):
    """Return the octets of a SHA-256 or SHA-512 fingerprint in hex, with or without colons."""
    digits = text.replace(":", "").replace(" ", "")
    try:
        octets = unhexlify(digits)
    except ValueError:
        octets = b""
    if len(octets) not in (32, 64):
        raise ConfigError("the fingerprint is no SHA-256 or SHA-512 in hex (64 or 128 digits)")
    return octets
