"""The command `serverkeygen`: a key that the server makes, with its certificate (RFC 7030 4.4)."""

import hashlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Any

import est
import est_link
import typer
from pki import csr as requests
from pki import key_protection

from estctl import enrollment, files, keeping, options, output
from estctl.host_key import HostKey

_PROTECTION = "Encryption of the key, beside TLS (one of)"
_POINT = 65  # octets of an uncompressed P-256 point, the last of a SubjectPublicKeyInfo

KeyEncryptionKey = Annotated[
    Path | None,
    typer.Option(
        "--key-encryption-key",
        help="File of an AES key that the server has, too, raw or in hex; needs --key-id.",
        rich_help_panel=_PROTECTION,
    ),
]
DecryptKey = Annotated[
    Path | None,
    typer.Option(
        "--decrypt-key",
        help="P-256 private key, PEM or DER: the server encrypts to it by ECDH.",
        rich_help_panel=_PROTECTION,
    ),
]
KeyId = Annotated[
    str | None,
    typer.Option(
        "--key-id",
        metavar="HEX",
        help="By what the server knows that key; of a P-256 key its subjectKeyIdentifier (SHA-1)"
        " where not given.",
        rich_help_panel=_PROTECTION,
    ),
]


def serverkeygen(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
    user: options.User = None,
    password_file: options.PasswordFile = None,
    cert: options.Cert = None,
    key: options.Key = None,
    p12: options.P12 = None,
    p12_password_file: options.P12PasswordFile = None,
    token_file: options.TokenFile = None,
    token_at_once: options.TokenAtOnce = False,
    psk_identity: options.PskIdentity = None,
    psk_key_file: options.PskKeyFile = None,
    allow_redirect: options.AllowRedirect = None,
    subject: options.Subject = None,
    san: options.San = None,
    key_encryption_key: KeyEncryptionKey = None,
    decrypt_key: DecryptKey = None,
    key_id: KeyId = None,
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    force: options.Force = False,
    out_ca: options.OutCa = None,
    max_wait: options.MaxWait = 0,
    link: options.Link = options.LinkPolicy.DEMANDED,
    original_spec: options.OriginalSpec = False,
    as_json: options.Json = False,
) -> None:
    """Let the server make a key, and certify it (RFC 7030 4.4); prefer `enroll` where you can."""
    given = locals()

    async def work() -> dict[str, Any]:
        keeping.check(given, makes_key=True)
        wanted, names = options.names(subject, san)
        whom = options.trust(anchors, fingerprint, system_trust, revocation, psk_identity)
        who = options.credential(
            user,
            password_file,
            cert,
            key,
            p12,
            p12_password_file,
            token_file,
            token_at_once,
            psk_identity,
            psk_key_file,
        )
        signer, decrypt, protection = await _protection(key_encryption_key, decrypt_key, key_id)
        log = output.progress(as_json)
        async with options.client(url, whom, who, log, original_spec, allow_redirect) as client:
            await client.cacerts()
            attributes = await client.csrattrs()
            demanded = attributes is not None and attributes.wants_challenge_password

            def make(binding: bytes | None) -> Awaitable[bytes]:
                more = est_link.attributes(binding, demanded, link.policy) + protection
                parts = (wanted, names, (), (), attributes, more)
                return requests.build(signer, *parts)  # type: ignore[no-any-return]

            request = await enrollment.linked(client, make)
            made, issued = await enrollment.patiently(
                lambda: client.serverkeygen(request, decrypt), max_wait, as_json
            )
        own_key = HostKey.load(made)
        found = await enrollment.written(client, issued, own_key, out_cert, out_key, out_ca)
        return {**found, "key_encrypted": decrypt is not None}

    enrollment.run(work(), as_json, "Made by the server")


async def _protection(
    shared: Path | None, own: Path | None, identifier: str | None
) -> tuple[HostKey, Any, list[bytes]]:
    """Return what signs the request, what decrypts the key, and the attributes that say so.

    Without encryption the key that signs is good for nothing else (4.4.1).
    """
    if shared is not None and own is not None:
        raise est.ConfigError("give one of --key-encryption-key and --decrypt-key")
    if own is not None:
        key = HostKey.load(files.read_key(own, "--decrypt-key"))
        public = await key.public_key()
        named = _octets(identifier) if identifier else hashlib.sha1(public[-_POINT:]).digest()
        if len(public) != _POINT + 26:
            raise est.ConfigError(f"--decrypt-key: {own} is no P-256 key")
        return key, key, key_protection.asymmetric(named)
    if shared is None:
        if identifier:
            raise est.ConfigError("--key-id needs --key-encryption-key or --decrypt-key")
        return HostKey.generate(), None, []
    if identifier is None:
        raise est.ConfigError("--key-encryption-key needs --key-id: how the server calls the key")
    aes = _aes_key(shared)
    named = _octets(identifier)
    return HostKey.generate(), (named, aes), key_protection.symmetric(named, 8 * len(aes))


def _aes_key(path: Path) -> bytes:
    try:
        return files.aes_key(files.read(path, "--key-encryption-key"))
    except ValueError:
        raise est.ConfigError(
            f"--key-encryption-key: {path} holds no AES key of 16 or 32 octets, raw or in hex"
        ) from None


def _octets(identifier: str) -> bytes:
    try:
        return bytes.fromhex(identifier.replace(":", ""))
    except ValueError:
        raise est.ConfigError("--key-id is not in hex") from None
