"""Certificates in PEM (RFC 7468): from a file's bytes, PEM or DER, to DER, and back."""

from binascii import a2b_base64, b2a_base64

from est_errors import ConfigError
from micropython import const

from pki import der

_BEGIN = b"-----BEGIN CERTIFICATE-----"
_END = b"-----END CERTIFICATE-----"
_LINE = const(48)  # octets: 64 characters


def certificates(content):
    """Return a list of DER certificates (bytes) in PEM text or DER (bytes). Raises ConfigError."""
    if content[:1] == b"\x30":
        reader = der.Reader(content)
        found = []
        while reader.more():
            found.append(bytes(reader.element(der.SEQUENCE)))
        return found
    found = []
    start = content.find(_BEGIN)
    while start >= 0:
        end = content.find(_END, start)
        if end < 0:
            raise ConfigError("PEM: a certificate has no end line")
        try:
            raw = a2b_base64(content[start + len(_BEGIN) : end])
        except ValueError:
            raise ConfigError("PEM: a certificate is not base64")
        der.sequence(raw)
        found.append(raw)
        start = content.find(_BEGIN, end)
    if not found:
        raise ConfigError("no certificate in it: PEM or DER is needed")
    return found


def encode(ders):
    """Return PEM (bytes) of a list of DER certificates (bytes)."""
    lines = []
    for raw in ders:
        lines.append(_BEGIN + b"\n")
        for at in range(0, len(raw), _LINE):
            lines.append(b2a_base64(raw[at : at + _LINE]))
        lines.append(_END + b"\n")
    return b"".join(lines)  # one piece of memory, and none that grows
