"""What --csrattrs says: nothing, default attributes, or a file's (RFC 7030 4.5, RFC 8951 4)."""

import base64
import binascii
from pathlib import Path

from est_errors import EstError
from pki.csrattrs import CsrAttributes

from estctl.server.settings import SettingsError

# SEQUENCE { Attribute { id-ecPublicKey, SET { secp256r1 } }, ecdsa-with-SHA256 }: RFC 8951 4
# puts the kind of key into an attribute and the way of signing into a bare OID.
DEFAULT = bytes.fromhex(
    "3021301506072a8648ce3d0201310a06082a8648ce3d030107"  # the key: EC, on P-256
    "06082a8648ce3d040302"  # the signature: ECDSA with SHA-256
)


def of_option(value: str) -> bytes | None:
    """Return the DER for "none", "default" or a file in DER or base64. Raises SettingsError."""
    if value == "none":
        return None
    if value == "default":
        return DEFAULT
    try:
        content = Path(value).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"--csrattrs: {value}: {error.strerror}; give none, default or a file"
        ) from None
    try:
        der = content if content[:1] == b"\x30" else _decoded(content)
        CsrAttributes(der)
    except (binascii.Error, EstError) as error:
        raise SettingsError(f"--csrattrs: {value} holds no CsrAttrs ({error})") from None
    return der


def _decoded(content: bytes) -> bytes:
    return base64.b64decode(b"".join(content.split()), validate=True)
