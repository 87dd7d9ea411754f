"""TLS with a pre-shared key in place of certificates (RFC 7030 3.3.3).

A server that has one offers it beside its certificate. CPython's ssl can do so from 3.13 on.
"""

import secrets
import ssl
from pathlib import Path

from estctl.server import folder
from estctl.server.settings import SettingsError

# With ephemeral keys: who learns the pre-shared key later still cannot read what went before.
_SUITES = (
    "ECDHE-PSK-CHACHA20-POLY1305",
    "ECDHE-PSK-AES256-CBC-SHA384",
    "ECDHE-PSK-AES128-CBC-SHA256",
)
_LEAST, _MOST = 16, 64  # octets, as clients take them


def key(path: Path, make: bool) -> bytes:
    """Return the key in a file's first line, in hex. make: a new random one where it is missing.

    Raises SettingsError where the file holds no key, and OSError where it cannot be read.
    """
    if make and not path.exists():
        folder.write(path, (secrets.token_hex(32) + "\n").encode(), private=True)
    try:
        found = bytes.fromhex(path.read_text("ascii").split("\n")[0])
    except ValueError:  # its text would quote the file
        found = b""
    if not _LEAST <= len(found) <= _MOST:
        raise SettingsError(f"{path}: a pre-shared key is {_LEAST} to {_MOST} random bytes in hex")
    return found


def offer(first: ssl.SSLContext, usual: ssl.SSLContext, identity: str, key: bytes) -> None:
    """Let clients that know the key of this identity do without certificates.

    usual: the context that has the server's certificate. first: another one, which is to have
    none, for connections to begin with: where OpenSSL sees a certificate, it chooses TLS 1.3 with
    SHA-384, and then cannot use a key of this kind, which goes with SHA-256. It calls
    sni_callback once both are settled.
    """
    for context in (first, usual):
        others = (it["name"] for it in context.get_ciphers() if it["protocol"] != "TLSv1.3")
        context.set_ciphers(":".join((*others, *_SUITES)))
        context.num_tickets = 0  # so that used() can tell a pre-shared key from a resumed session
        # b"" is "not known": TLS 1.3 then goes on with certificates, 1.2 ends.
        context.set_psk_server_callback(  # type: ignore[attr-defined]
            lambda given: key if given == identity else b""
        )
    first.sni_callback = lambda tls, name, context: setattr(tls, "context", usual)


def used(tls: ssl.SSLObject | None) -> bool:
    """Return whether a connection of a context with an offer() was made with the key."""
    if tls is None:
        return False
    if tls.version() == "TLSv1.3":
        return bool(tls.session_reused)
    suite = tls.cipher()
    return suite is not None and "PSK" in suite[0]
