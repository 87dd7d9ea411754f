"""Whom the device trusts: the trust anchor stores of RFC 7030 (3.1, 3.6, 4.1), kept apart.

implicit   a bundle from the board's maker, for the first contact alone
explicit   what /cacerts gave, or what the settings installed; kept on flash
pinned     the fingerprint of a root: in the settings, or approved by a person

The explicit store, once it stands, replaces the others (4.1.3). How it follows the CA's key
updates is est_anchors' matter; here is which store counts, and what is kept.
"""

import hashlib
from binascii import hexlify

from est_errors import ApprovalNeeded, ConfigError, StorageError, TrustError
from micropython import const

from devid.store import Trust

_DAY = const(86400)
_LONGEST_NOTICE = const(30)  # days


class TrustStores:
    """The stores of one device.

    settings: devid.settings.Settings; store: devid.store.Store; log: function of one str.
    """

    def __init__(self, settings, store, log):
        self._settings = settings
        self._store = store
        try:
            self._kept = store.load_trust() or Trust()
        except StorageError as error:
            log("trust: %s; it is established anew" % error.message)
            store.forget_trust()
            self._kept = Trust()
        self._take_settings()

    @property
    def anchors(self):
        """The explicit trust anchors: list of DER (bytes)."""
        return self._kept.anchors

    @property
    def authorities(self):
        """The CA certificates that lead to them: list of DER (bytes)."""
        return self._kept.authorities

    def arguments(self):
        """Return what est.Client is told about trust: a dict of its arguments."""
        kept, settings = self._kept, self._settings
        usable = settings.keep_implicit or not kept.anchors
        implicit = settings.implicit if usable and not kept.implicit_off else ()
        pin = hexlify(kept.pin).decode() if kept.pin else settings.fingerprint
        pinned = not kept.anchors and not implicit
        known = kept.origin and kept.given == self._given() and settings.new_roots != "any"
        return {
            "anchors": kept.anchors,
            "implicit": implicit,
            "keep_implicit": settings.keep_implicit,
            "fingerprint": pin if pinned else None,
            "ask": pinned and not pin,
            "new_roots": False if known else None,
            "revocation": settings.revocation,
        }

    def propose(self, root):
        """Keep a root (DER bytes) as the one that waits for approval; return the ApprovalNeeded.

        Nothing is trusted by it.
        """
        from pki import name, x509

        self._kept.candidate = hashlib.sha256(root).digest()
        self._kept.candidate_subject = name.decode(x509.Certificate(root).subject)
        self._store.commit_trust(self._kept)
        return ApprovalNeeded(
            self._kept.candidate_subject, hexlify(self._kept.candidate).decode(), "trust"
        )

    def approve(self, fingerprint):
        """Pin the root with this fingerprint (SHA-256 or SHA-512 octets): a person compared it.

        Raises ConfigError where there is trust already, and TrustError, showing both, where
        another root waits for approval.
        """
        kept = self._kept
        if kept.anchors:
            raise ConfigError("this device has its trust anchors: nothing waits for approval")
        if kept.candidate and len(fingerprint) == 32 and fingerprint != kept.candidate:
            raise TrustError(
                "the root that waits for approval is %s, not %s: not approved"
                % (hexlify(kept.candidate).decode(), hexlify(fingerprint).decode()),
                "approve",
            )
        kept.pin = fingerprint
        self._store.commit_trust(kept)

    def disable_implicit(self):
        """Never use the implicit store again, whatever the settings say (RFC 7030 3.1)."""
        self._kept.implicit_off = True
        self._store.commit_trust(self._kept)

    def keep(self, client):
        """Keep the anchors that an est.Client ended up with, once they have verified the server.

        Returns whether they changed. RFC 7030 4.1.3.
        """
        kept = self._kept
        changed = client.anchors != kept.anchors or client.authorities != kept.authorities
        authorised = "%s, %s" % client.authorised
        given = self._given()
        if not changed and (kept.authorised, kept.given) == (authorised, given):
            return False
        if not kept.origin:
            kept.origin = self._origin()
        kept.anchors, kept.authorities = client.anchors, client.authorities
        kept.authorised = authorised
        kept.given = given
        kept.pin = kept.candidate = b""
        kept.candidate_subject = ""
        self._store.commit_trust(kept)
        return changed

    def refresh_due(self, now):
        """Return whether /cacerts is to be asked anew (RFC 7030 4.1.2): a stored certificate
        enters the last tenth of its life, or its last 30 days, whichever is shorter."""
        from pki import x509

        for raw in self.anchors + self.authorities:
            certificate = x509.Certificate(raw)
            end = certificate.not_after
            notice = min((end - certificate.not_before) // 10, _LONGEST_NOTICE * _DAY)
            if now > end - notice:
                return True
        return not self._kept.origin

    def window(self):
        """Return (earliest, latest) Unix time that stored anchors allow: (0, None) without any."""
        from pki import x509

        earliest, latest = 0, None
        for raw in self.anchors:
            certificate = x509.Certificate(raw)
            earliest = max(earliest, certificate.not_before)
            latest = max(latest or 0, certificate.not_after)
        return earliest, latest

    def status(self):
        """Return a dict: store ("explicit", "implicit", "pinned" or "none"), origin (which of them
        vouched for the anchors at first), authorised_by (what did for the server, last), implicit
        ("in use", "given up", "disabled" or "none"), anchors (SHA-256 in hex), and, where a root
        waits for approval, candidate (subject, fingerprint)."""
        kept = self._kept
        if kept.anchors:
            store = "explicit"
        elif self._settings.implicit and not kept.implicit_off:
            store = "implicit"
        elif kept.pin or self._settings.fingerprint:
            store = "pinned"
        else:
            store = "none"
        found = {
            "store": store,
            "origin": kept.origin or None,
            "authorised_by": kept.authorised or None,
            "implicit": self._implicit_state(),
            "anchors": [hexlify(hashlib.sha256(raw).digest()).decode() for raw in kept.anchors],
        }
        if kept.candidate:
            found["candidate"] = {
                "subject": kept.candidate_subject,
                "fingerprint": hexlify(kept.candidate).decode(),
            }
        return found

    def _implicit_state(self):
        if self._kept.implicit_off:
            return "disabled"
        if not self._settings.implicit:
            return "none"
        return "in use" if self.arguments()["implicit"] else "given up"

    def _take_settings(self):
        """Take in trust that the settings give and that was not there before."""
        kept, settings = self._kept, self._settings
        if settings.implicit_off:
            kept.implicit_off = True
        if kept.given == self._given():
            return
        if settings.fingerprint and kept.origin:
            # Another CA than before is to be trusted: begin anew, with its fingerprint.
            self._kept = Trust()
            self._kept.implicit_off = kept.implicit_off
        for raw in settings.anchors:
            if raw not in self._kept.anchors:
                self._kept.anchors.append(raw)

    def _given(self):
        """Return the SHA-256 of the trust that the settings give."""
        digest = hashlib.sha256((self._settings.fingerprint or "").encode())
        for raw in self._settings.anchors:
            digest.update(raw)
        return digest.digest()

    def _origin(self):
        if self._settings.anchors:
            return "installed"
        if self._kept.pin:
            return "approved"
        return "pinned" if self._settings.fingerprint else "implicit"
