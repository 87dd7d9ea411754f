"""Whom the device trusts: the trust anchor stores of RFC 7030 (3.1, 3.6, 4.1), kept apart.

implicit   a bundle from the board's maker, for the first contact alone
explicit   what /cacerts gave, or what the settings installed; kept on flash
pinned     the fingerprint of a root: in the settings, or approved by a person

The explicit store, once it stands, replaces the others (4.1.3). How it follows the CA's key
updates is est_anchors' matter; here is which store counts, and what is kept.
"""

import hashlib
from binascii import hexlify

from est_errors import ApprovalNeeded, ConfigError, DerError, StorageError, TrustError
from micropython import const
from pki import der, der_writer

from devid.record import elements
from devid.store import TIME, TRUST

_DAY = const(86400)
_LONGEST_NOTICE = const(30)  # days
_WARNING = const(30)


class Trust:
    """Whom the device trusts, as it lies in the store; certificates are DER (bytes)."""

    def __init__(self):
        self.anchors = []  # explicit trust anchors
        self.authorities = []  # other CA certificates, validated to them
        self.origin = ""  # which store vouched for the anchors at first
        self.authorised = ""  # which store authorised the server last, and how
        self.implicit_off = False  # the implicit store is disabled for good
        self.pin = b""  # fingerprint of a root that a person has approved
        self.candidate = b""  # SHA-256 of a root that waits for approval
        self.candidate_subject = ""
        self.given = b""  # SHA-256 of the trust in the settings that is taken in already


def load(store):
    """Return the Trust in a devid.store.Store, or None; StorageError where it is damaged."""
    content = store.read(TRUST)
    if content is None:
        return None
    trust = Trust()
    try:
        body = der.Reader(content)
        trust.anchors = elements(body.enter())
        trust.authorities = elements(body.enter())
        trust.implicit_off = body.boolean()
        for name in ("origin", "authorised", "candidate_subject"):
            setattr(trust, name, bytes(body.take(der.OCTET_STRING)).decode())
        for name in ("pin", "candidate", "given"):
            setattr(trust, name, bytes(body.take(der.OCTET_STRING)))
        body.finish()
    except (DerError, ValueError):  # ValueError: a text that is no UTF-8
        raise StorageError("the trust on flash is damaged")
    return trust


def parts(trust):
    """Return what devid.store.Store.commit() takes for TRUST: a tuple of bytes."""
    found = [der_writer.head(der.SEQUENCE, trust.anchors)] + trust.anchors
    found.append(der_writer.head(der.SEQUENCE, trust.authorities))
    found += trust.authorities
    found.append(der_writer.tlv(der.BOOLEAN, b"\xff" if trust.implicit_off else b"\0"))
    for text in (trust.origin, trust.authorised, trust.candidate_subject):
        found.append(der_writer.tlv(der.OCTET_STRING, text.encode()))
    for octets in (trust.pin, trust.candidate, trust.given):
        found.append(der_writer.tlv(der.OCTET_STRING, octets))
    return tuple(found)


class TrustStores:
    """The stores of one device.

    settings: devid.settings.Settings; store: devid.store.Store; log: see est.
    """

    def __init__(self, settings, store, log):
        self._settings = settings
        self._store = store
        try:
            self._kept = load(store) or Trust()
        except StorageError as error:
            log(_WARNING, "trust: %s; it is established anew" % error.message)
            store.commit({TRUST: None})
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

    @property
    def asks(self):
        """Whether a person has to approve a root first."""
        return self.arguments()["ask"]

    def arguments(self):
        """Return what est.Client is told about trust: a dict of its arguments."""
        kept, settings = self._kept, self._settings
        usable = settings.keep_implicit or not kept.anchors
        implicit = settings.implicit if usable and not kept.implicit_off else ()
        pin = hexlify(kept.pin).decode() if kept.pin else settings.fingerprint
        pinned = not kept.anchors and not implicit
        known = kept.origin and kept.given in self._given and settings.new_roots != "any"
        return {
            "anchors": kept.anchors,
            "authorities": kept.authorities,
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
        self._kept.candidate_subject = name.text(x509.Certificate(root).subject)
        self._commit()
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
        # With a pin there was an approval already, which may have been wrong.
        waits = kept.candidate and not kept.pin
        if waits and len(fingerprint) == 32 and fingerprint != kept.candidate:
            raise TrustError(
                "the root that waits for approval is %s, not %s: not approved"
                % (hexlify(kept.candidate).decode(), hexlify(fingerprint).decode()),
                "approve",
            )
        kept.pin = fingerprint
        self._commit()

    def disable_implicit(self):
        """Never use the implicit store again, whatever the settings say (RFC 7030 3.1)."""
        self._kept.implicit_off = True
        self._commit()

    def keep(self, client, time=None):
        """Keep the anchors that an est.Client ended up with, once they have verified the server.

        time: Unix seconds to keep with them, or None. Returns whether the anchors changed. RFC
        7030 4.1.3.
        """
        kept = self._kept
        changed = client.anchors != kept.anchors or client.authorities != kept.authorities
        authorised = "%s, %s" % client.authorised
        given = self._given[0]
        changes = {} if time is None else {TIME: (time.to_bytes(5, "big"),)}
        if not changed and (kept.authorised, kept.given) == (authorised, given):
            if changes:
                self._store.commit(changes)
            return False
        if not kept.origin:
            psk = client.authorised[0] == "psk"
            kept.origin = "psk" if psk else self._origin()
        kept.anchors, kept.authorities = client.anchors, client.authorities
        kept.authorised = authorised
        kept.given = given
        kept.pin = kept.candidate = b""
        kept.candidate_subject = ""
        changes[TRUST] = parts(kept)
        self._store.commit(changes)
        return changed

    def refresh_due(self):
        """Return when /cacerts is to be asked anew, Unix seconds (RFC 7030 4.1.2).

        That is when a stored certificate enters the last tenth of its life, or its last 30 days,
        whichever is shorter; 0, at once, where it was never asked.
        """
        from pki import x509

        due = None
        for raw in self.anchors + self.authorities:
            certificate = x509.Certificate(raw)
            end = certificate.not_after
            notice = min((end - certificate.not_before) // 10, _LONGEST_NOTICE * _DAY)
            if due is None or end - notice < due:
                due = end - notice
        return due if self._kept.origin and due else 0

    def window(self, record=None):
        """Return (earliest, latest) Unix time that stored anchors and the devid.record.Record of
        the identity allow: (0, None) without any."""
        from pki import x509

        earliest, latest = 0, None
        for raw in self.anchors:
            certificate = x509.Certificate(raw)
            start = certificate.not_before
            # The first of them: a CA's next root may begin in the future.
            earliest = min(earliest, start) if latest else start
            latest = max(latest or 0, certificate.not_after)
        if record:
            # Less by what a device's clock may run behind the CA's: see est_issued.
            earliest = max(earliest, x509.Certificate(record.certificate).not_before - 3600)
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

    def _commit(self):
        self._store.commit({TRUST: parts(self._kept)})

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
        given = self._given = _given(settings)
        if kept.given in given:
            return
        if settings.fingerprint and kept.origin:
            same = _matching(_plain(settings), kept.anchors)
            if same:  # it is another way to write what is trusted already: that alone
                kept.anchors = same
                given.append(kept.given)
                return
            # Another CA than before is to be trusted: begin anew, with its fingerprint.
            self._kept = Trust()
            self._kept.implicit_off = kept.implicit_off
        for raw in settings.anchors:
            if raw not in self._kept.anchors:
                self._kept.anchors.append(raw)

    def _origin(self):
        if self._settings.anchors:
            return "installed"
        if self._kept.pin:
            return "approved"
        return "pinned" if self._settings.fingerprint else "implicit"


def _plain(settings):
    """Return the fingerprint of the settings, however it is written, as lower-case hex (str)."""
    return (settings.fingerprint or "").replace(":", "").replace(" ", "").lower()


def _given(settings):
    """Return the SHA-256 of the trust that the settings give, in a list; behind it that of earlier
    versions, which took the fingerprint as it is written."""
    found = []
    for text in (_plain(settings), settings.fingerprint or ""):
        digest = hashlib.sha256(text.encode())
        for raw in settings.anchors:
            digest.update(raw)
        found.append(digest.digest())
    return found


def _matching(text, anchors):
    """Return those of the anchors, as a list, whose fingerprint (lower-case hex) this is."""
    from pki import signature

    found = []
    for raw in anchors:
        hasher = signature.new_hash(1 if len(text) == 64 else 3)
        hasher.update(raw)
        if hexlify(hasher.digest()).decode() == text:
            found.append(raw)
    return found
