"""What --csrattrs says: nothing, default attributes, a template, or a file's.

RFC 7030 4.5, RFC 8951 4, RFC 9908.
"""

import base64
import binascii
from pathlib import Path

from est_errors import EstError
from pki import csr as requests
from pki import der, der_writer, oid, oid_text
from pki.csrattrs import CsrAttributes

from estctl.server.settings import SettingsError

# SEQUENCE { Attribute { id-ecPublicKey, SET { secp256r1 } }, ecdsa-with-SHA256 }: RFC 8951 4
# puts the kind of key into an attribute and the way of signing into a bare OID.
DEFAULT = bytes.fromhex(
    "3021301506072a8648ce3d0201310a06082a8648ce3d030107"  # the key: EC, on P-256
    "06082a8648ce3d040302"  # the signature: ECDSA with SHA-256
)


_P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")  # AlgorithmIdentifier
LINK = bytes.fromhex("300b06092a864886f70d010907")  # challengePassword (RFC 7030 3.5)


def template() -> bytes:
    """Return CsrAttrs with a useful template (RFC 9908 3.4): the client names itself."""

    def attribute(kind: str, value: bytes) -> bytes:
        made: bytes = der_writer.tlv(
            der.SEQUENCE, der_writer.oid(oid_text.encode(kind)), der_writer.tlv(der.SET, value)
        )
        return made

    usage = requests.extension(oid.KEY_USAGE, True, der_writer.named_bits(1))[1]
    client_auth = der_writer.tlv(
        der.SEQUENCE, der_writer.oid(oid_text.encode("1.3.6.1.5.5.7.3.2"))
    )
    purpose = requests.extension(oid.EXT_KEY_USAGE, False, client_auth)[1]
    extensions = der_writer.tlv(der.SEQUENCE, usage, purpose)
    common_name = der_writer.tlv(
        der.SET, der_writer.tlv(der.SEQUENCE, der_writer.oid(oid_text.encode("2.5.4.3")))
    )
    whole = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(0),
        der_writer.tlv(der.SEQUENCE, common_name),
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, _P256),
        der_writer.tlv(
            der.CONSTRUCTED_CONTEXT + 1, attribute("1.2.840.113549.1.9.16.2.62", extensions)
        ),
    )
    found: bytes = der_writer.tlv(der.SEQUENCE, attribute("1.2.840.113549.1.9.16.2.61", whole))
    return found


def of_option(value: str, linked: bool = False) -> bytes | None:
    """Return the DER for "none", "default", "template" or a file in DER or base64.

    linked: requests have to be linked to TLS, which is then said in place of nothing. Raises
    SettingsError.
    """
    if value == "none":
        return LINK if linked else None
    if value == "default":
        return DEFAULT
    if value == "template":
        return template()
    try:
        content = Path(value).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"--csrattrs: {value}: {error.strerror}; give none, default, template or a file"
        ) from None
    try:
        der = content if content[:1] == b"\x30" else _decoded(content)
        CsrAttributes(der)
    except (binascii.Error, EstError) as error:
        raise SettingsError(f"--csrattrs: {value} holds no CsrAttrs ({error})") from None
    return der


def _decoded(content: bytes) -> bytes:
    return base64.b64decode(b"".join(content.split()), validate=True)
