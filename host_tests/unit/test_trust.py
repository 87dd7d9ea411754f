"""devid.trust: which store counts when, and what of it stays on flash."""

import hashlib
from binascii import hexlify

from checks import raises, vector
from devid import settings, trust
from devid.record import Record
from devid.store import TRUST, Store
from devid.trust import TrustStores
from est_errors import ConfigError, TrustError
from pki import cms, pem, signature, x509

CA = cms.certificates(vector("rfc9148/cacerts.p7.der"), 8)
OTHERS = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)


def sha512(octets):
    hasher = signature.new_hash(3)
    hasher.update(octets)
    return hasher.digest()


PIN = hashlib.sha256(CA[0]).digest()
HEX = hexlify(PIN).decode()


class Device:
    """A board with these settings of trust, and its flash."""

    def __init__(self, name, **trust):
        self.folder = name
        Store(name).erase()
        self.settle(**trust)

    def settle(self, **trust):
        values = {"url": "https://h", "subject": "CN=x", "trust": trust}
        self.settings = settings.parse(values)

    def boot(self):
        """Return the stores as they are after a reboot."""
        return TrustStores(self.settings, Store(self.folder), lambda level, text: None)


class Verified:
    """An est.Client after a session: what TrustStores.keep() asks of it."""

    def __init__(self, anchors, store="explicit", how="name"):
        self.anchors = anchors
        self.authorities = []
        self.authorised = (store, how)


def bundle(name, certificates):
    with open(name, "wb") as file:
        file.write(pem.encode(certificates))
    return name


def test_a_fingerprint_is_used_until_the_explicit_store_stands():
    device = Device("test_trust_a", fingerprint=HEX)
    stores = device.boot()
    assert stores.arguments()["fingerprint"] == HEX and not stores.arguments()["anchors"]
    assert stores.status()["store"] == "pinned" and stores.refresh_due() == 0
    assert stores.keep(Verified(CA[:1])) is True
    stores = device.boot()
    given = stores.arguments()
    assert given["anchors"] == CA[:1] and given["fingerprint"] is None and not given["ask"]
    assert given["new_roots"] is False, "a refresh needs the old key's word for a new one"
    status = stores.status()
    assert (status["store"], status["origin"]) == ("explicit", "pinned")
    assert status["authorised_by"] == "explicit, name" and status["anchors"] == [HEX]
    assert stores.keep(Verified(CA[:1])) is False


def test_the_implicit_store_is_for_the_first_contact_alone():
    file = bundle("test_trust.pem", OTHERS)
    device = Device("test_trust_b", implicit=file)
    given = device.boot().arguments()
    assert given["implicit"] == OTHERS and not given["anchors"] and given["new_roots"] is None
    assert device.boot().status()["store"] == "implicit"
    assert device.boot().status()["implicit"] == "in use"
    device.boot().keep(Verified(CA[:1]))
    given = device.boot().arguments()
    assert given["anchors"] == CA[:1] and not given["implicit"]
    status = device.boot().status()
    assert (status["origin"], status["implicit"]) == ("implicit", "given up")


def test_settings_may_keep_the_implicit_store_in_use():
    file = bundle("test_trust.pem", OTHERS)
    device = Device("test_trust_c", implicit=file, keep_implicit=True)
    device.boot().keep(Verified(CA[:1], "implicit"))
    given = device.boot().arguments()
    assert given["implicit"] == OTHERS and given["keep_implicit"] and given["anchors"] == CA[:1]
    assert device.boot().status()["authorised_by"] == "implicit, name"


def test_the_implicit_store_can_be_disabled_for_good():
    file = bundle("test_trust.pem", OTHERS)
    device = Device("test_trust_d", implicit=file)
    device.boot().disable_implicit()
    given = device.boot().arguments()
    assert not given["implicit"] and given["ask"], "nobody is trusted then"
    assert device.boot().status()["implicit"] == "disabled"
    device.settle(implicit=False)
    device.boot().keep(Verified(CA[:1]))
    device.settle(implicit=file, keep_implicit=True)
    assert not device.boot().arguments()["implicit"]


def test_installed_anchors_are_explicit_and_new_ones_join_them():
    device = Device("test_trust_e", anchors=bundle("test_trust.pem", CA[:1]))
    assert device.boot().arguments()["anchors"] == CA[:1]
    device.boot().keep(Verified(OTHERS[:1]))  # the CA's key update replaced the installed one
    assert device.boot().arguments()["anchors"] == OTHERS[:1], "it does not come back"
    device.settle(anchors=bundle("test_trust.pem", CA[:1] + OTHERS[1:2]))
    assert device.boot().arguments()["anchors"] == OTHERS[:1] + CA[:1] + OTHERS[1:2]


def test_another_fingerprint_in_the_settings_begins_anew():
    device = Device("test_trust_f", fingerprint=HEX)
    device.boot().keep(Verified(CA[:1]))
    device.settle(fingerprint="ab" * 32)
    given = device.boot().arguments()
    assert not given["anchors"] and given["fingerprint"] == "ab" * 32


def test_another_way_to_write_a_fingerprint_keeps_the_trust():
    colons = ":".join(HEX.upper()[at : at + 2] for at in range(0, 64, 2))
    long = hexlify(sha512(CA[0])).decode()
    for number, text in enumerate((HEX.upper(), colons, long, long.upper())):
        device = Device("test_trust_l", fingerprint=HEX)
        device.boot().keep(Verified(CA[:1]))
        device.settle(fingerprint=text)
        for _ in range(2):
            given = device.boot().arguments()
            assert given["anchors"] == CA[:1] and given["new_roots"] is False, number
            device.boot().keep(Verified(CA[:1]))
        # The CA's next root replaces it, and the text is taken back.
        device.boot().keep(Verified(OTHERS[:1]))
        device.settle(fingerprint=HEX if len(text) < 128 else long)
        assert device.boot().arguments()["anchors"] == OTHERS[:1], number
        assert device.boot().arguments()["new_roots"] is False, number


def test_the_fingerprint_of_one_of_several_anchors_trusts_that_one_alone():
    device = Device("test_trust_o", fingerprint=HEX)
    device.boot().keep(Verified(CA[:1] + OTHERS[:1]))
    device.settle(fingerprint=hexlify(hashlib.sha256(OTHERS[0]).digest()).decode())
    assert device.boot().arguments()["anchors"] == OTHERS[:1]


def test_trust_from_before_an_update_of_the_library_is_kept():
    text = HEX.upper()
    device = Device("test_trust_m", fingerprint=text)
    device.boot().keep(Verified(OTHERS[:1]))  # the pinned root is replaced already
    store = Store(device.folder)
    kept = trust.load(store)
    kept.given = hashlib.sha256(text.encode()).digest()  # as it was made then
    store.commit({TRUST: trust.parts(kept)})
    assert device.boot().arguments()["anchors"] == OTHERS[:1]
    assert device.boot().arguments()["new_roots"] is False
    device.boot().keep(Verified(OTHERS[:1]))
    device.settle(fingerprint=HEX)
    assert device.boot().arguments()["anchors"] == OTHERS[:1]


def test_a_root_that_was_approved_wrongly_can_be_replaced():
    device = Device("test_trust_n")
    device.boot().propose(CA[0])
    device.boot().approve(PIN)
    other = hashlib.sha256(OTHERS[0]).digest()
    device.boot().approve(other)
    assert device.boot().arguments()["fingerprint"] == hexlify(other).decode()


def test_a_person_approves_what_was_shown():
    device = Device("test_trust_g")
    assert device.boot().arguments()["ask"] and device.boot().status()["store"] == "none"
    needed = device.boot().propose(CA[0])
    assert needed.fingerprint == HEX and HEX in str(needed) and needed.subject in str(needed)
    shown = device.boot().status()["candidate"]
    assert shown == {"subject": needed.subject, "fingerprint": HEX}
    assert device.boot().arguments()["ask"], "nothing is trusted by being shown"
    error = raises(TrustError, device.boot().approve, b"\x01" * 32)
    assert HEX in str(error) and "01" * 32 in str(error)
    assert device.boot().arguments()["ask"], "a wrong fingerprint changes nothing"
    device.boot().approve(PIN)
    given = device.boot().arguments()
    assert given["fingerprint"] == HEX and not given["ask"]
    device.boot().keep(Verified(CA[:1]))
    status = device.boot().status()
    assert status["origin"] == "approved" and "candidate" not in status
    raises(ConfigError, device.boot().approve, PIN)


def test_damage_is_noticed_and_trust_is_established_anew():
    device = Device("test_trust_h", fingerprint=HEX)
    device.boot().keep(Verified(CA[:1]))
    Store("test_trust_h").commit({TRUST: (b"\x30\x03\x02\x01\x00",)})
    given = device.boot().arguments()
    assert not given["anchors"] and given["fingerprint"] == HEX


def test_a_refresh_is_due_in_the_last_tenth_of_a_certificates_life():
    device = Device("test_trust_i", anchors=bundle("test_trust.pem", OTHERS[:1]))
    assert device.boot().refresh_due() == 0, "never fetched"
    device.boot().keep(Verified(OTHERS[:1]))
    certificate = x509.Certificate(OTHERS[0])
    start, end = certificate.not_before, certificate.not_after
    notice = min((end - start) // 10, 30 * 86400)
    stores = device.boot()
    assert stores.refresh_due() == end - notice
    assert stores.window() == (start, end)


def test_a_root_that_begins_in_the_future_does_not_make_a_clock_wrong():
    own = x509.Certificate(CA[0])
    old = x509.Certificate(OTHERS[0])
    assert old.not_before < own.not_before and old.not_after < own.not_after
    for number, anchors in enumerate((CA[:1] + OTHERS[:1], OTHERS[:1] + CA[:1])):
        device = Device("test_trust_j", anchors=bundle("test_trust.pem", anchors))
        assert device.boot().window() == (old.not_before, own.not_after), number
    issued = cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0]
    # A certificate counts that begins an hour from now, where the CA's clock runs ahead.
    begin = x509.Certificate(issued).not_before - 3600
    assert device.boot().window(Record(b"", issued, [])) == (begin, own.not_after)
    assert Device("test_trust_k").boot().window(Record(b"", issued, [])) == (begin, None)
