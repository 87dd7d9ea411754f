"""What the device's store does in its life, as scenarios for cut_everywhere.py, in MicroPython.

Each check() says which of two whole states is there, and raises where it is neither.
"""

import est_limits
from checks import vector
from devid import pending
from devid.settings import parse
from devid.store import Record, Store, Trust
from est_errors import RetryLater
from pki import cms

FOLDER = "/flash/identity"
CERTIFICATES = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
FIRST = Record(b"k" * 121, CERTIFICATES[0], CERTIFICATES[1:2])
SECOND = Record(b"K" * 121, CERTIFICATES[2], CERTIFICATES[3:])
SETTINGS = parse({"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab"}})


def trust(*anchors):
    """Return a Trust in these anchors."""
    made = Trust()
    made.anchors, made.authorities = list(anchors), CERTIFICATES[1:]
    made.origin, made.authorised, made.given = "pinned", "explicit, name", b"g" * 32
    return made


OLD_TRUST, NEW_TRUST = trust(CERTIFICATES[0]), trust(CERTIFICATES[0], CERTIFICATES[2])


def which(found, old, new):
    """Return "old" or "new": which of them was found; tuples, or None."""
    if found == new:
        return "new"
    if found == old:
        return "old"
    raise ValueError("neither the old state nor the new one")


def facts(found):
    """Return what of a Trust has to be whole, or None."""
    return found and (found.anchors, found.authorities, found.origin, found.given)


class FirstEnrolment:
    """Nothing is there; in the end trust and identity are, and the request that waited is not."""

    def prepare(self):
        """Leave the flash empty."""

    def action(self):
        """Trust the CA, keep the request that waits (202), and then the identity."""
        store = Store(FOLDER)
        store.check()
        store.commit_trust(OLD_TRUST)
        store.keep_time(1764547200)
        error = RetryLater("not yet", 202, 10)
        pending.refused(error, store, SETTINGS, est_limits, FIRST.key, b"request")
        store.commit(FIRST)
        pending.erase(store)

    def check(self):
        """Tell which state is there: with the identity there is trust, and what waits is whole."""
        store = Store(FOLDER)
        state = which(store.load(), None, FIRST)
        trusted = which(facts(store.load_trust()), None, facts(OLD_TRUST))
        if state == "new" and trusted == "old":
            raise ValueError("an identity without trust")
        if pending.until(store):
            pending._read(store)
        return state


class RenewalWithRekey:
    """Another key and certificate take the place of the first ones; the trust stays."""

    def prepare(self):
        """Be enrolled."""
        store = Store(FOLDER)
        store.commit_trust(OLD_TRUST)
        store.commit(FIRST)
        store.keep_time(1764547200)

    def action(self):
        """Commit the new identity, and the time."""
        store = Store(FOLDER)
        store.commit(SECOND)
        store.keep_time(1766547200)

    def check(self):
        """Tell which identity is there."""
        store = Store(FOLDER)
        if facts(store.load_trust()) != facts(OLD_TRUST) or not store.load_time():
            raise ValueError("what does not change was lost")
        return which(store.load(), FIRST, SECOND)


class AnchorRollover:
    """The CA's new root comes to the old one; the identity stays."""

    def prepare(self):
        """Be enrolled, as before a renewal."""
        RenewalWithRekey().prepare()

    def action(self):
        """Commit the anchors, and the time."""
        store = Store(FOLDER)
        store.commit_trust(NEW_TRUST)
        store.keep_time(1766547200)

    def check(self):
        """Tell which anchors are there."""
        store = Store(FOLDER)
        if store.load() != FIRST or not store.load_time():
            raise ValueError("what does not change was lost")
        return which(facts(store.load_trust()), facts(OLD_TRUST), facts(NEW_TRUST))


SCENARIOS = (FirstEnrolment, RenewalWithRekey, AnchorRollover)
