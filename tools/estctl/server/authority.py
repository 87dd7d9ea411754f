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
from cryptography.hazmat.primitives.asymmetric import ec

from estctl.server import certificates, request_policy, stored
from estctl.server.certificates import Validity, named
from estctl.server.renaming import Names
from estctl.server.settings import KeyKind, SettingsError
from estctl.server.signing import Pair, PublicKey, sign
from estctl.server.stage import Stage, TlsIdentity

NAME = "micropython-est development"
_RENEW_BEFORE = datetime.timedelta(days=1)
_AGE, _AGED_DAYS = 340, 25  # days since an aged root's beginning, and to its end


class Authority:
    """Root, issuing CA and TLS certificate, and what of them the server shows now.

    Attributes: folder (Path); root, issuing and server (Pair); anchors_file and issuing_file (PEM
    of the root alone, and of the issuing CA); stage (Stage), which a scenario replaces.
    """

    def __init__(
        self,
        path: Path,
        key_kind: KeyKind | None,
        names: list[str],
        days: int,
        aged: bool = False,
    ) -> None:
        """Load or make them in a folder that exists.

        key_kind: of root and issuing CA; None takes what is there. names: DNS names and IP
        addresses of the TLS certificate. days: validity of what is issued. aged: a new root is
        as one that is soon to be replaced. Raises SettingsError where the files do not fit.
        """
        self.folder = path
        self._days = days
        self.root = stored.load(path, "root") or self._make_root(key_kind or KeyKind.P256, aged)
        own_kind = certificates.kind_of(self.root.key)
        if own_kind != (key_kind or own_kind):
            raise SettingsError(
                f"the CA in {path} has {own_kind.value} keys: "
                "leave --ca-key out, or give another --dir"
            )
        self.issuing = stored.load(path, "issuing") or self._make_issuing(own_kind)
        self._check_chain()
        self.server = self._current_server(names) or self._make_server(names)
        self.anchors_file = path / "root.pem"
        self.issuing_file = path / "issuing.pem"
        self.stage = self._first_stage()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the root certificate's DER, lower-case hex."""
        return self.root.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(
        self,
        request: x509.CertificateSigningRequest,
        names: Names | None = None,
        key: PublicKey | None = None,
    ) -> x509.Certificate:
        """Return a device certificate for a request, with other names, or another key, if given.

        Raises RequestRefused.
        """
        wanted = request_policy.examine(request)
        if names:
            wanted = request_policy.with_critical_names(names.applied(wanted))
        issuer = self.stage.issuer
        validity = certificates.lasting(self._days, issuer)
        builder = certificates.end_entity(wanted.subject, key or wanted.key, issuer, validity)
        extensions = wanted.extensions
        if self.stage.san_from_cn:
            extensions = request_policy.with_name_of_subject(wanted)
        for extension in extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return sign(builder, issuer)

    def issued(self, certificate: x509.Certificate) -> bool:
        """Tell whether one of the CAs that the server knows signed a certificate."""
        return any(_signed_by(certificate, ca) for ca in self.stage.client_cas)

    @property
    def registrar(self) -> Pair:
        """Who signs for the CA in CMC: the TLS server, which has id-kp-cmcRA, or the CA itself."""
        issuer = self.stage.issuer
        return self.server if _signed_by(self.server.certificate, issuer.certificate) else issuer

    def _first_stage(self) -> Stage:
        known = (self.root.certificate, self.issuing.certificate)
        chain_file = self.folder / "server-chain.pem"
        # RFC 8446 4.4.2: the certificate, then the CA that issued it; the root may be left out.
        stored.write_certificates(chain_file, self.server.certificate, self.issuing.certificate)
        identity = TlsIdentity(chain_file, self.folder / "server.key")
        return Stage(identity, cacerts=known, issuer=self.issuing, client_cas=known)

    def _check_chain(self) -> None:
        if not _signed_by(self.issuing.certificate, self.root.certificate):
            raise SettingsError(f"{self.folder}: issuing.pem is not signed by root.pem")
        for pair in (self.root, self.issuing):
            if not certificates.is_current(pair.certificate):
                raise SettingsError(
                    f"the CA in {self.folder} is not valid at this computer's time: "
                    "set the clock, or give another --dir"
                )

    def _make_root(self, kind: KeyKind, aged: bool) -> Pair:
        if (self.folder / "issuing.pem").exists():
            raise SettingsError(f"{self.folder / 'root.pem'} is missing: restore it")
        key = certificates.new_key(kind)
        validity = Validity(certificates.in_days(-_AGE), certificates.in_days(_AGED_DAYS))
        root = certificates.self_signed(named(f"{NAME} root CA"), key, validity if aged else None)
        return stored.save(self.folder, "root", root)

    def _make_issuing(self, kind: KeyKind) -> Pair:
        key = certificates.new_key(kind)
        name = named(f"{NAME} issuing CA")
        made = sign(certificates.subordinate(name, key.public_key(), self.root), self.root)
        return stored.save(self.folder, "issuing", Pair(made, key))

    def _make_server(self, names: list[str]) -> Pair:
        # P-256 whatever the CA has: every client can use it, and it is quick.
        key = ec.generate_private_key(ec.SECP256R1())
        name = named(f"{NAME} server")
        builder = certificates.tls_server(name, key.public_key(), names, self.issuing)
        return stored.save(self.folder, "server", Pair(sign(builder, self.issuing), key))

    def _current_server(self, names: list[str]) -> Pair | None:
        """Return the stored TLS certificate where it still serves; it is cheap to make anew."""
        try:
            found = stored.load(self.folder, "server")
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
        return lasts and fits and _signed_by(certificate, self.issuing.certificate)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
