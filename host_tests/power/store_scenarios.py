"""What the device's store does in its life, as scenarios for cut_everywhere.py, in MicroPython.

Each check() says which of two whole states is there, and raises where it is neither.
"""

from checks import vector
from devid import pending, record, trust
from devid.record import Record
from devid.settings import parse
from devid.store import IDENTITY, PENDING, TIME, TRUST, Store
from devid.trust import Trust
from pki import cms

FOLDER = "/flash/identity"
CERTIFICATES = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
FIRST = Record(b"k" * 121, CERTIFICATES[0], CERTIFICATES[1:2])
SECOND = Record(b"K" * 121, CERTIFICATES[2], CERTIFICATES[3:])
SETTINGS = parse({"url": "https://h", "subject": "CN=x", "trust": {"fingerprint": "ab"}})


def trusting(*anchors):
    """Return a Trust in these anchors."""
    made = Trust()
    made.anchors, made.authorities = list(anchors), CERTIFICATES[1:]
    made.origin, made.authorised, made.given = "pinned", "explicit, name", b"g" * 32
    return made


OLD_TRUST = trusting(CERTIFICATES[0])
NEW_TRUST = trusting(CERTIFICATES[0], CERTIFICATES[2])
EARLY, LATE = ((seconds.to_bytes(5, "big"),) for seconds in (1764547200, 1766547200))


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


def waiting(store, wanted, found, proved=False):
    """Keep a request, as before it is sent, or with the certificate that came for it."""
    certificate = found.certificate if proved else b""
    chain = found.chain if proved else ()
    asked = pending.nothing(wanted)
    pending.keep(store, asked, found.key, b"request", certificate, chain)


class FirstEnrolment:
    """Nothing is there; in the end trust and identity are, and the request that waited is not."""

    def prepare(self):
        """Leave the flash empty."""

    def action(self):
        """Keep the request, trust the CA, and commit the identity, as devid.enrolment does."""
        store = Store(FOLDER)
        store.clean()
        store.check()
        waiting(store, pending.wish(SETTINGS), FIRST)
        store.commit({TRUST: trust.parts(OLD_TRUST), TIME: EARLY})
        store.commit({IDENTITY: record.parts(FIRST), PENDING: None})
        store.settle()

    def check(self):
        """Tell which state is there: with the identity there is trust, and nothing waits."""
        store = Store(FOLDER)
        state = which(record.load(store), None, FIRST)
        trusted = which(facts(trust.load(store)), None, facts(OLD_TRUST))
        asked = pending.read(store)
        if state == "new" and (trusted == "old" or asked):
            raise ValueError("an identity without trust, or with a request that still waits")
        if asked and (asked.key, asked.request) != (FIRST.key, b"request"):
            raise ValueError("what waits is not whole")
        return state


class RenewalWithRekey:
    """Another key and certificate take the place of the first ones; the trust stays."""

    def prepare(self):
        """Be enrolled."""
        FirstEnrolment().action()

    def action(self):
        """Keep the request, the certificate until it is proved, and then the new identity."""
        store = Store(FOLDER)
        store.clean()
        wanted = pending.wish(SETTINGS, FIRST.certificate)
        waiting(store, wanted, SECOND)
        waiting(store, wanted, SECOND, proved=True)
        store.commit({IDENTITY: record.parts(SECOND), PENDING: None})
        store.settle()

    def check(self):
        """Tell which identity is there."""
        store = Store(FOLDER)
        if facts(trust.load(store)) != facts(OLD_TRUST) or store.read(TIME) != EARLY[0]:
            raise ValueError("what does not change was lost")
        pending.read(store)
        return which(record.load(store), FIRST, SECOND)


class AnchorRollover:
    """The CA's new root comes to the old one; the identity stays."""

    def prepare(self):
        """Be enrolled."""
        FirstEnrolment().action()

    def action(self):
        """Commit the anchors together with the time."""
        store = Store(FOLDER)
        store.clean()
        store.commit({TRUST: trust.parts(NEW_TRUST), TIME: LATE})

    def check(self):
        """Tell which anchors are there, and that the time is theirs."""
        store = Store(FOLDER)
        if record.load(store) != FIRST:
            raise ValueError("what does not change was lost")
        state = which(facts(trust.load(store)), facts(OLD_TRUST), facts(NEW_TRUST))
        if store.read(TIME) != (LATE if state == "new" else EARLY)[0]:
            raise ValueError("half of a commit")
        return state


SCENARIOS = (FirstEnrolment, RenewalWithRekey, AnchorRollover)
