"""The options that several commands share: where the server is, whom to trust, who one is."""

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import est
import typer
import unix_time
from devid.settings import parse_url
from pki import csr_parts, x509

from estctl import files, output
from estctl.output import Log

_TRUST, _CREDENTIAL = "Trust (one of)", "Credential"

Url = Annotated[
    str, typer.Option("--url", help="https://HOST:PORT/LABEL; port and label may be left out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Anchors = Annotated[
    Path | None,
    typer.Option("--anchors", help="File of trust anchors, PEM or DER.", rich_help_panel=_TRUST),
]
Fingerprint = Annotated[
    str | None,
    typer.Option(
        "--fingerprint",
        help="SHA-256 or SHA-512 of the CA's root certificate, hex: it is fetched and compared.",
        rich_help_panel=_TRUST,
    ),
]
SystemTrust = Annotated[
    bool,
    typer.Option(
        "--system-trust", help="The operating system's trust anchors.", rich_help_panel=_TRUST
    ),
]
Implicit = Annotated[
    Path | None,
    typer.Option(
        "--implicit",
        help="Trust anchors for the first contact alone, PEM or DER: the maker's bundle.",
        rich_help_panel=_TRUST,
    ),
]
KeepImplicit = Annotated[
    bool,
    typer.Option(
        "--keep-implicit",
        help="Go on using them: the server's TLS certificate is not of the EST CA.",
        rich_help_panel=_TRUST,
    ),
]


class Policy(str, Enum):
    """Whether the server's chain is looked up in the CRLs that it names."""

    OFF = "off"
    SOFT = "soft"  # what cannot be had is passed over
    HARD = "hard"  # what cannot be had is refused


Revocation = Annotated[
    Policy,
    typer.Option(
        "--revocation", help="Look the server's certificates up in CRLs.", rich_help_panel=_TRUST
    ),
]


class LinkPolicy(str, Enum):
    """What becomes of a request that cannot be linked to its TLS session (RFC 7030 3.5)."""

    DEMANDED = "demanded"  # it is refused where the server asks for the link
    OPTIONAL = "optional"  # it is sent
    REQUIRED = "required"  # it is refused

    @property
    def policy(self) -> str | None:
        """As est_link.attributes() takes it."""
        return None if self == LinkPolicy.DEMANDED else self.value


Link = Annotated[
    LinkPolicy,
    typer.Option(
        "--link",
        metavar="POLICY",  # the values in a row would break in the middle of a word
        help="Where TLS gives no tls-unique to link the request with (TLS 1.3): give up where the"
        " server demands it (demanded), never (optional), or always (required).",
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", help="User name for Digest or Basic.", rich_help_panel=_CREDENTIAL),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        help="File whose first line is the password.",
        rich_help_panel=_CREDENTIAL,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help="File whose first line is a bearer token, in place of user and password.",
        rich_help_panel=_CREDENTIAL,
    ),
]
TokenAtOnce = Annotated[
    bool,
    typer.Option(
        "--token-at-once",
        help="Send the token with the first request, for a server that does not ask for it.",
        rich_help_panel=_CREDENTIAL,
    ),
]
PskIdentity = Annotated[
    str | None,
    typer.Option(
        "--psk-identity",
        help="Identity of a pre-shared key, which replaces certificates in TLS, and trust.",
        rich_help_panel=_CREDENTIAL,
    ),
]
PskKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--psk-key-file",
        help="File whose first line is that key, 16 to 64 random bytes in hex.",
        rich_help_panel=_CREDENTIAL,
    ),
]
AllowRedirect = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-redirect",
        metavar="HOST[:PORT]",
        help="Another host to which the server may redirect; repeat for more.",
    ),
]
Cert = Annotated[
    Path | None,
    typer.Option("--cert", help="Client certificate, PEM or DER.", rich_help_panel=_CREDENTIAL),
]
Key = Annotated[
    Path | None,
    typer.Option("--key", help="Private key, PEM or DER.", rich_help_panel=_CREDENTIAL),
]
P12 = Annotated[
    Path | None,
    typer.Option(
        "--p12", help="PKCS #12 file with certificate and key.", rich_help_panel=_CREDENTIAL
    ),
]
P12PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--p12-password-file",
        help="File whose first line is the PKCS #12 password.",
        rich_help_panel=_CREDENTIAL,
    ),
]
PendingKey = Annotated[
    Path | None,
    typer.Option(
        "--pending-key",
        help="The new key of an earlier run that the server let wait (202): ask again with it.",
    ),
]
OutCert = Annotated[
    Path | None, typer.Option("--out-cert", help="Where the certificate goes, PEM.")
]
OutKey = Annotated[
    Path | None, typer.Option("--out-key", help="Where the private key goes, PEM, mode 0600.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite --out-key where it is there.")]
OutCa = Annotated[Path | None, typer.Option("--out-ca", help="Where the CA certificates go, PEM.")]
MaxWait = Annotated[
    int,
    typer.Option(
        "--max-wait", min=0, help="Seconds to wait in all where the server says 'not yet' (202)."
    ),
]
OriginalSpec = Annotated[
    bool,
    typer.Option(
        "--original-spec",
        help="Name the transfer encoding in the request, as RFC 7030 did before RFC 8951.",
    ),
]
Subject = Annotated[
    str | None, typer.Option("--subject", help="Such as O=Acme,CN=pump-7 (RFC 4514 escapes).")
]


def without_spaces(san: str | None) -> str | None:
    """Return the value of --san without the spaces that people write after its commas."""
    return san and re.sub(r",\s+", ",", san)


San = Annotated[
    str | None,
    typer.Option(
        "--san",
        callback=without_spaces,
        help="subjectAltName, with commas between: dns:NAME, ip:ADDRESS, uri:URI, email:ADDRESS,"
        " rid:OID, hwmodule:OID:SERIAL.",
    ),
]


# The inputs that an output may replace: it is what comes after them.
_BEFORE = {"out_cert": ("cert",), "out_key": ("key", "pending_key"), "out_ca": ("anchors",)}


@dataclass
class Trust:
    """Whom to trust: explicit anchors (DER), a fingerprint, implicit anchors (DER), or nobody."""

    anchors: list[bytes] = field(default_factory=list)
    fingerprint: str | None = None
    implicit: list[bytes] = field(default_factory=list)
    revocation: Policy = Policy.OFF


@dataclass
class Credential:
    """Who one is, for the server: a password or token, a client certificate (DER), or both."""

    user: str | None = None
    password: str | None = None
    token: str | None = None
    at_once: bool = False
    certificate: bytes | None = None
    key: bytes | None = None
    intermediates: list[bytes] = field(default_factory=list)
    psk: tuple[str, bytes] | None = None

    def __repr__(self) -> str:
        return f"<Credential user={self.user!r}>"


def check(given: dict[str, Any]) -> None:
    """Check the values of a command's options, by the names of its parameters.

    Raises ConfigError where a text is not UTF-8, and where an output (out_...) cannot be written
    or would destroy what another option names.
    """
    for name, value in given.items():
        try:
            "".join(value if isinstance(value, (str, list)) else ()).encode()
        except UnicodeEncodeError:
            raise est.ConfigError(f"{_option(name)} is not UTF-8 text") from None
    paths = {name: value for name, value in given.items() if isinstance(value, Path)}
    outputs = [name for name in paths if name.startswith("out_")]
    files.check_writable(*(paths[name] for name in outputs))
    for name in outputs:
        for other in paths.keys() - {*outputs, *_BEFORE[name]}:
            if files.target(paths[name]) == files.target(paths[other]):
                raise est.ConfigError(
                    f"{_option(name)} would overwrite the file of {_option(other)}, {paths[name]}"
                )


def _option(name: str) -> str:
    """Return the option that gives a parameter its value."""
    return "--" + name.replace("_", "-")


def trust(
    anchors: Path | None,
    fingerprint: str | None,
    system_trust: bool,
    revocation: Policy,
    psk_identity: str | None = None,
) -> Trust:
    """Return what the TRUST options say. Raises ConfigError unless exactly one is given.

    None is needed where a pre-shared key vouches for the server.
    """
    given = sum((anchors is not None, fingerprint is not None, system_trust))
    if given > 1 or (given == 0 and psk_identity is None):
        raise est.ConfigError("give one of --anchors, --fingerprint and --system-trust")
    found = Trust(fingerprint=fingerprint, revocation=revocation)
    if anchors is not None:
        found.anchors = files.read_certificates(anchors, "--anchors")
    if system_trust:
        found.implicit = files.system_anchors()
    return found


def credential(
    user: str | None,
    password_file: Path | None,
    cert: Path | None,
    key: Path | None,
    p12: Path | None,
    p12_password_file: Path | None,
    token_file: Path | None = None,
    at_once: bool = False,
    psk_identity: str | None = None,
    psk_key_file: Path | None = None,
    key_alone: bool = False,
) -> Credential:
    """Return what the CREDENTIAL options say; all of them may be absent. Raises ConfigError.

    key_alone: whether --key has a meaning without --cert.
    """
    found = Credential(user=user)
    if (psk_identity is None) != (psk_key_file is None):
        raise est.ConfigError("--psk-identity and --psk-key-file belong together")
    if psk_identity is not None and psk_key_file is not None:
        try:
            key_octets = bytes.fromhex(files.read_secret(psk_key_file, "--psk-key-file"))
        except ValueError:
            raise est.ConfigError(f"--psk-key-file: {psk_key_file} is no hex") from None
        found.psk = psk_identity, key_octets
    if (user is None) != (password_file is None):
        raise est.ConfigError("--user and --password-file belong together")
    if password_file is not None:
        found.password = files.read_secret(password_file, "--password-file")
    if token_file is not None:
        if user is not None:
            raise est.ConfigError("--token-file replaces --user and --password-file")
        found.token = files.read_secret(token_file, "--token-file")
        found.at_once = at_once
    elif at_once:
        raise est.ConfigError("--token-at-once needs --token-file")
    if p12 is not None:
        if cert is not None or key is not None:
            raise est.ConfigError("--p12 replaces --cert and --key")
        password = (
            files.read_secret(p12_password_file, "--p12-password-file", may_be_empty=True).encode()
            if p12_password_file
            else None
        )
        (found.certificate, *found.intermediates), found.key = files.read_p12(p12, password)
    elif p12_password_file is not None:
        raise est.ConfigError("--p12-password-file needs --p12")
    elif key is not None and cert is None and not key_alone:
        raise est.ConfigError("--key needs --cert")
    elif cert is not None:
        if key is None:
            raise est.ConfigError("--cert needs --key")
        found.certificate, *found.intermediates = files.read_certificates(cert, "--cert")
        found.key = files.read_key(key)
    return found


def names(subject: str | None, san: str | None) -> tuple[str, list[str]]:
    """Return the subject ("" without one) and the list of subjectAltNames that the options say.

    Raises ConfigError where they could stand in no request: before a server is asked.
    """
    found = subject or "", san.split(",") if san else []
    if any(found):  # without any the server may give them (RFC 9908)
        csr_parts.parts(*found)
    return found


def _warn_of_validity(der: bytes) -> None:
    """Warn of a client certificate out of its time: TLS would only say that it broke off.

    It is sent all the same, as there are servers that renew what has expired.
    """
    certificate = x509.Certificate(der)
    now = unix_time.now()
    for wrong, what, time in (
        (now < certificate.not_before, "is not valid before", certificate.not_before),
        (now > certificate.not_after, "has expired at", certificate.not_after),
    ):
        if wrong:
            output.warn(
                f"warning: the client certificate {what} {output.when(time)}, and the clock says"
                f" {output.when(now)}: many servers refuse it"
            )


def filled(text: str) -> str:
    """Return a text of device.json as the board with the shortest names would fill it in."""
    return text.replace("{unique_id}", 6 * "00").replace("{mac}", 6 * "00")


def client(
    url: str,
    whom: Trust,
    who: Credential,
    log: Log,
    original_spec: bool = False,
    redirects: list[str] | None = None,
) -> est.Client:
    """Return the library's client for these options."""
    host, port, label = parse_url(url)
    if who.certificate is not None:
        _warn_of_validity(who.certificate)
    return est.Client(
        host,
        port,
        label,
        anchors=whom.anchors,
        fingerprint=whom.fingerprint,
        implicit=whom.implicit,
        keep_implicit=True,  # a web server's certificate is not of the EST CA
        revocation=None if whom.revocation == Policy.OFF else whom.revocation.value,
        user=who.user,
        password=who.password,
        token=who.token,
        at_once=who.at_once,
        redirects=redirects or (),
        certificate=who.certificate,
        key=who.key,
        intermediates=who.intermediates,
        psk=who.psk,
        log=log,
        original_spec=original_spec,
    )
