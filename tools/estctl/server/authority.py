"""The server's CA: a root, an issuing CA and the TLS certificate, as PEM files in a folder.

Made at the folder's first use and then kept; a rollover adds a root and an issuing CA. Only the
TLS certificate is made anew, when it expires, its names change or another CA issues. What is lost
or does not fit is reported, never replaced.
"""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from estctl.server import certificates, request_policy, stored
from estctl.server.certificates import ROOT_DAYS, Validity, named
from estctl.server.generations import NAME, Generations
from estctl.server.renaming import Names
from estctl.server.settings import KeyKind, RollOver, SettingsError
from estctl.server.signing import Pair, PublicKey, sign
from estctl.server.stage import Stage, TlsIdentity

_RENEW_BEFORE = datetime.timedelta(days=1)
_AGE, _AGED_DAYS = 340, 25  # days since an aged root's beginning, and to its end


class Authority:
    """Root, issuing CA and TLS certificate, and what of them the server shows now.

    Attributes: folder (Path); root, issuing and server (Pair), those of the CA that issues;
    anchors_file and issuing_file (PEM of that root alone, and of its issuing CA); rolling_over
    (bool), whether the root before it counts, too; stage (Stage), which a scenario replaces.
    """

    def __init__(
        self,
        path: Path,
        key_kind: KeyKind | None,
        names: list[str],
        days: int,
        aged: bool = False,
        root_days: int = ROOT_DAYS,
        roll_over: RollOver | None = None,
    ) -> None:
        """Load or make them in a folder that exists.

        key_kind: of root and issuing CA; None takes what is there. names: DNS names and IP
        addresses of the TLS certificate. days: validity of what is issued. aged: a new root is
        as one that is soon to be replaced. root_days: validity of another new root. roll_over:
        what to do first. Raises SettingsError where the files do not fit.
        """
        self.folder = path
        self._days = days
        validity = _aged() if aged else certificates.lasting(root_days)
        generations = Generations(path, lambda: _first_root(key_kind or KeyKind.P256, validity))
        self._check(generations, key_kind)
        if roll_over:
            generations.roll_over(roll_over, root_days)
        self.root, self.issuing = generations.current.root, generations.current.issuing
        self.rolling_over = generations.rolling_over
        self.server = self._current_server(names) or self._make_server(names)
        self.anchors_file, self.issuing_file = generations.files
        self.stage = self._first_stage(generations)

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
        return any(certificates.signed_by(certificate, ca) for ca in self.stage.client_cas)

    @property
    def registrar(self) -> Pair:
        """Who signs for the CA in CMC: the TLS server, which has id-kp-cmcRA, or the CA itself."""
        issuer = self.stage.issuer
        below = certificates.signed_by(self.server.certificate, issuer.certificate)
        return self.server if below else issuer

    def _first_stage(self, generations: Generations) -> Stage:
        shown = generations.shown
        cas = [pair.certificate for g in shown for pair in (g.root, g.issuing)]
        links = generations.current.links if len(shown) > 1 else ()
        chain_file = self.folder / "server-chain.pem"
        # RFC 8446 4.4.2: the certificate, then the CA that issued it; the root may be left out.
        # NewWithOld, the last of the links, is for who knows the old root alone.
        stored.write_certificates(
            chain_file, self.server.certificate, self.issuing.certificate, *links[1:]
        )
        return Stage(
            TlsIdentity(chain_file, self.folder / "server.key"),
            cacerts=(*cas, *links),
            issuer=self.issuing,
            # Who was certified before a rollover comes back with that certificate.
            client_cas=tuple(
                pair.certificate for g in generations.every for pair in (g.root, g.issuing)
            ),
        )

    def _check(self, generations: Generations, key_kind: KeyKind | None) -> None:
        current = generations.current
        own_kind = certificates.kind_of(current.root.key)
        if own_kind != (key_kind or own_kind):
            raise SettingsError(
                f"the CA in {self.folder} has {own_kind.value} keys: "
                "leave --ca-key out, or give another --dir"
            )
        for pair in (current.root, current.issuing):
            if not certificates.is_current(pair.certificate):
                raise SettingsError(
                    f"the CA in {self.folder} is not valid at this computer's time: "
                    "set the clock, or give another --dir"
                )

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
        return lasts and fits and certificates.signed_by(certificate, self.issuing.certificate)


def _aged() -> Validity:
    return Validity(certificates.in_days(-_AGE), certificates.in_days(_AGED_DAYS))


def _first_root(kind: KeyKind, validity: Validity) -> Pair:
    key = certificates.new_key(kind)
    return certificates.self_signed(named(f"{NAME} root CA"), key, validity)
