"""The server's CA: a root, an issuing CA and the TLS certificate, as PEM files in a folder.

Made at the folder's first use and then kept; only the TLS certificate is made anew, when it
expires or its names change. What is lost or does not fit is reported, never replaced: a new root
under the old one's name would lock out every device that trusts the old one.
"""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from estctl.server import certificates, folder, request_policy
from estctl.server.certificates import Pair, PrivateKey
from estctl.server.settings import KeyKind, SettingsError

_NAME = "micropython-est development"
_RENEW_BEFORE = datetime.timedelta(days=1)


class Authority:
    """Root, issuing CA and TLS certificate.

    Attributes: root, issuing and server (Pair); anchors_file and issuing_file (PEM of the root
    alone, and of the issuing CA); chain_file and key_file, which are what TLS is given.
    """

    def __init__(self, path: Path, key_kind: KeyKind | None, names: list[str], days: int) -> None:
        """Load or make them in a folder that exists.

        key_kind: of root and issuing CA; None takes what is there. names: DNS names and IP
        addresses of the TLS certificate. days: validity of what is issued.
        Raises SettingsError where the folder's files do not fit.
        """
        self._folder = path
        self._days = days
        self.root = self._load("root") or self._make_root(key_kind or KeyKind.P256)
        own_kind = certificates.kind_of(self.root.key)
        if own_kind != (key_kind or own_kind):
            raise SettingsError(
                f"the CA in {path} has {own_kind.value} keys: "
                "leave --ca-key out, or give another --dir"
            )
        self.issuing = self._load("issuing") or self._make_issuing(own_kind)
        self._check_chain()
        self.server = self._current_server(names) or self._make_server(names)
        self.anchors_file = path / "root.pem"
        self.issuing_file = path / "issuing.pem"
        self.chain_file = path / "server-chain.pem"
        self.key_file = path / "server.key"
        # RFC 8446 4.4.2: the certificate, then the CA that issued it; the root may be left out.
        chain = [self.server.certificate, self.issuing.certificate]
        folder.write(self.chain_file, b"".join(c.public_bytes(Encoding.PEM) for c in chain))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate's DER, lower-case hex."""
        return self.root.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(self, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return a device certificate for a request. Raises RequestRefused."""
        wanted = request_policy.examine(request)
        builder = certificates.end_entity(wanted.subject, wanted.key, self.issuing, self._days)
        for extension in wanted.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return certificates.sign(builder, self.issuing)

    def issued(self, certificate: x509.Certificate) -> bool:
        """Tell whether the issuing CA signed a certificate."""
        return _signed_by(certificate, self.issuing)

    def _check_chain(self) -> None:
        if not _signed_by(self.issuing.certificate, self.root):
            raise SettingsError(f"{self._folder}: issuing.pem is not signed by root.pem")
        for pair in (self.root, self.issuing):
            if not certificates.is_current(pair.certificate):
                raise SettingsError(
                    f"the CA in {self._folder} is not valid at this computer's time: "
                    "set the clock, or give another --dir"
                )

    def _make_root(self, kind: KeyKind) -> Pair:
        if (self._folder / "issuing.pem").exists():
            raise SettingsError(f"{self._folder / 'root.pem'} is missing: restore it")
        key = certificates.new_key(kind)
        return self._save("root", certificates.self_signed(f"{_NAME} root CA", key), key)

    def _make_issuing(self, kind: KeyKind) -> Pair:
        key = certificates.new_key(kind)
        made = certificates.subordinate(f"{_NAME} issuing CA", key, self.root)
        return self._save("issuing", made, key)

    def _make_server(self, names: list[str]) -> Pair:
        # P-256 whatever the CA has: every client can use it, and it is quick.
        key = ec.generate_private_key(ec.SECP256R1())
        made = certificates.tls_server(f"{_NAME} server", key, names, self.issuing)
        return self._save("server", made, key)

    def _current_server(self, names: list[str]) -> Pair | None:
        """Return the stored TLS certificate where it still serves; it is cheap to make anew."""
        try:
            found = self._load("server")
        except SettingsError:
            return None
        return found if found and self._serves(found.certificate, names) else None

    def _serves(self, certificate: x509.Certificate, names: list[str]) -> bool:
        try:
            san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return False
        lasts = certificate.not_valid_after_utc > certificates.now() + _RENEW_BEFORE
        fits = set(san.value) == set(certificates.general_names(names))
        return lasts and fits and _signed_by(certificate, self.issuing)

    def _load(self, name: str) -> Pair | None:
        """Return a stored pair, or None. Raises SettingsError where it is not whole."""
        path, key_path = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        if not path.exists():
            return None  # the certificate is written last: without it nothing was finished
        if not key_path.exists():
            raise SettingsError(f"{key_path} is missing: restore it, or give another --dir")
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
            key = load_pem_private_key(key_path.read_bytes(), None)
            public = certificate.public_key()
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SettingsError(f"{path} or {key_path} is damaged, or not ours") from None
        if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise SettingsError(f"{key_path} is neither an EC nor an RSA key")
        if key.public_key() != public:
            raise SettingsError(f"{key_path} is not the key of {path}")
        return Pair(certificate, key)

    def _save(self, name: str, certificate: x509.Certificate, key: PrivateKey) -> Pair:
        encoded = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        folder.write(self._folder / f"{name}.key", encoded, private=True)
        folder.write(self._folder / f"{name}.pem", certificate.public_bytes(Encoding.PEM))
        return Pair(certificate, key)


def _signed_by(certificate: x509.Certificate, issuer: Pair) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
