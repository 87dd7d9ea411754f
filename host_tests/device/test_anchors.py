"""est_anchors in each interpreter: which certificates of a /cacerts answer become anchors."""

import hashlib

from test_path import DAY, NOW, certificate

OLD = certificate("root", 0, "root", 0)
OLD_CA = certificate("ca", 2, "root", 0)
# RFC 4210 4.4: the new key signs itself and the old key, the old key signs the new one.
NEW = certificate("root", 1, "root", 1, end=NOW + 9 * DAY)
NEW_WITH_OLD = certificate("root", 1, "root", 0)
OLD_WITH_NEW = certificate("root", 0, "root", 1)
NEW_CA = certificate("ca", 3, "root", 1)
ECDSA_WITH_SHA224, ECDSA_WITH_SHA256 = (
    bytes.fromhex("2a8648ce3d0403" + last) for last in ("01", "02")
)
OTHER = certificate("other", 4, "other", 4)


def ask(device, anchors, received, strangers=False, now=NOW, **more):
    wish = {"do": "anchors", "now": int(now.timestamp()), "strangers": strangers, **more}
    wish["anchors"] = [der.hex() for der in anchors]
    wish["received"] = [der.hex() for der in received]
    return device.pki(wish)[0]


def taken(device, *arguments, **more):
    """Return (anchors, authorities) as sets, and the texts about what was refused."""
    answer = ask(device, *arguments, **more)
    assert "ok" in answer, answer
    anchors, authorities, refused = answer["ok"]
    return set(map(bytes.fromhex, anchors)), set(map(bytes.fromhex, authorities)), refused


def test_a_ca_below_an_anchor_that_is_not_valid_is_told(device):
    weak = OLD_CA.replace(ECDSA_WITH_SHA256, ECDSA_WITH_SHA224)
    stranger = certificate("somebody's", 5, "other", 4)
    anchors, authorities, refused = taken(device, [OLD], [OLD, weak, stranger])
    assert (anchors, authorities) == ({OLD}, set())
    (text,) = refused
    assert text.startswith("CN=ca: ") and "SHA-224 with ECDSA" in text


def test_the_same_certificates_change_nothing(device):
    assert taken(device, [OLD], [OLD_CA, OLD]) == ({OLD}, {OLD_CA}, [])


def test_a_key_update_moves_trust_to_the_new_key(device):
    bag = [OLD_CA, NEW_WITH_OLD, NEW, OLD_WITH_NEW, OLD, NEW_CA]
    anchors, authorities, refused = taken(device, [OLD], bag)
    assert anchors == {OLD, NEW} and refused == []
    assert authorities == {OLD_CA, NEW_CA, NEW_WITH_OLD, OLD_WITH_NEW}


def test_the_old_key_is_given_up_once_the_server_lists_it_no_more(device):
    assert taken(device, [OLD], [NEW, NEW_WITH_OLD, NEW_CA])[0] == {NEW}
    assert taken(device, [OLD, NEW], [NEW, NEW_CA])[0] == {NEW}
    # OldWithNew still lists the old key.
    assert taken(device, [OLD, NEW], [NEW, OLD_WITH_NEW])[0] == {OLD, NEW}


def test_two_key_updates_at_once(device):
    third = certificate("root", 5, "root", 5)
    third_with_new = certificate("root", 5, "root", 1)
    bag = [third, third_with_new, NEW_WITH_OLD, NEW]
    assert taken(device, [OLD], bag)[0] == {NEW, third}


def test_a_forged_key_update_is_refused(device):
    # The attacker's key stands as the new one; the "old key's" signature is the attacker's.
    forged = certificate("root", 4, "root", 4)
    forged_link = certificate("root", 4, "root", 4, path_length=3)
    for bag in ([OLD, forged, forged_link], [forged, forged_link, OLD_CA]):
        answer = ask(device, [OLD], bag)
        assert answer["class"] == "TrustError" and "key update of CN=root" in answer["error"]


def test_a_signature_changed_in_the_link_is_refused(device):
    changed = bytearray(NEW_WITH_OLD)
    changed[-1] ^= 1
    answer = ask(device, [OLD], [NEW, bytes(changed), OLD])
    assert answer["class"] == "TrustError" and "old key did not sign" in answer["error"]


def test_a_ca_below_the_root_cannot_name_a_new_root(device):
    # The holder of the issuing CA's key certifies a key of his own under the root's name.
    usurper = certificate("root", 4, "root", 4)
    link = certificate("root", 4, "ca", 2)
    anchors, _, refused = taken(device, [OLD], [OLD, OLD_CA, usurper, link])
    assert anchors == {OLD} and "no anchor vouches" in refused[0]


def test_a_new_root_without_a_link_is_not_trusted(device):
    anchors, _, refused = taken(device, [OLD], [OLD, OLD_CA, NEW])
    assert anchors == {OLD} and "CN=root: no anchor vouches" in refused[0]
    # Not at the first contact either: it bears the name of an anchor.
    assert taken(device, [OLD], [OLD_CA, NEW], strangers=True)[0] == {OLD}


def test_a_root_of_another_name_is_taken_at_the_first_contact_alone(device):
    anchors, _, refused = taken(device, [OLD], [OLD, OTHER])
    assert anchors == {OLD} and "CN=other: no anchor vouches" in refused[0]
    assert taken(device, [OLD], [OTHER], strangers=True)[0] == {OLD, OTHER}
    assert taken(device, [], [OTHER], strangers=True)[0] == {OTHER}


def test_a_new_certificate_for_the_same_key_replaces_the_old_one(device):
    longer = certificate("root", 0, "root", 0, end=NOW + 30 * DAY)
    assert taken(device, [OLD], [longer, OLD_CA])[0] == {OLD, longer}


def test_an_anchor_that_has_ended_is_given_up(device):
    now = NOW + 2 * DAY
    assert taken(device, [OLD, NEW], [NEW], now=now)[0] == {NEW}
    answer = ask(device, [OLD], [OLD], now=now)
    assert answer["class"] == "TrustError"  # never an empty database


def test_an_answer_without_its_root(device):
    assert taken(device, [OLD], [OLD_CA]) == ({OLD}, {OLD_CA}, [])
    assert taken(device, [], [OLD_CA], strangers=True)[0] == {OLD_CA}
    assert taken(device, [OTHER], [OLD_CA], strangers=True)[0] == {OTHER, OLD_CA}
    # A certificate that is no CA's is never the top.
    plain = certificate("ca", 2, "root", 0, ca=False)
    assert ask(device, [], [plain], strangers=True)["class"] == "TrustError"


def test_what_leads_to_no_anchor_is_left_out(device):
    stranger = certificate("ca", 4, "other", 4)
    no_ca = certificate("x", 4, "root", 0, ca=False)
    forged = certificate("ca", 4, "root", 4)
    assert taken(device, [OLD], [OLD, stranger, no_ca, forged, OLD_CA])[1] == {OLD_CA}


def test_64_unrelated_certificates_cost_no_trust(device):
    crowd = [certificate("root %d" % (i % 40), 4, "root %d" % (i % 9), 4) for i in range(64)]
    anchors, authorities, _ = taken(device, [OLD], [*crowd[:32], OLD_CA, *crowd[32:], OLD])
    assert (anchors, authorities) == ({OLD}, {OLD_CA})


def test_a_fingerprint_pins_one_root_and_takes_its_key_update(device):
    for bag, expected in (
        ([OLD_CA, OLD], {OLD}),
        ([NEW, NEW_WITH_OLD, OLD_WITH_NEW, OLD], {OLD, NEW}),
        ([OTHER, OLD], {OLD}),
    ):
        pin = hashlib.sha256(OLD).hexdigest()
        assert taken(device, [], bag, fingerprint=pin)[0] == expected


def test_a_pinned_root_needs_no_signature_of_a_hash_that_still_counts(device):
    """Many roots are older than SHA-256; who compared their fingerprint compared all of them."""
    old = OLD.replace(ECDSA_WITH_SHA256, ECDSA_WITH_SHA224)
    pin = hashlib.sha256(old).hexdigest()
    assert taken(device, [], [OLD_CA, old], fingerprint=pin)[:2] == ({old}, {OLD_CA})
    ended = certificate("root", 0, "root", 0, end=NOW - DAY / 2)
    no_ca = certificate("root", 0, "root", 0, ca=False)
    for bad, text in ((ended, "has expired"), (no_ca, "is not a CA certificate")):
        answer = ask(device, [], [bad], fingerprint=hashlib.sha256(bad).hexdigest())
        assert answer["class"] == "TrustError" and text in answer["error"], answer


def test_a_certificate_that_cannot_be_read_does_not_take_the_others_along(device):
    """A BOOLEAN as BER allows it, in the basicConstraints of somebody else's root."""
    broken = OTHER.replace(bytes.fromhex("30030101ff"), bytes.fromhex("3003010101"))
    assert broken != OTHER
    pin = hashlib.sha256(OLD).hexdigest()
    assert taken(device, [OLD], [broken, OLD, OLD_CA])[:2] == ({OLD}, {OLD_CA})
    assert taken(device, [], [broken, OLD, OLD_CA], strangers=True)[0] == {OLD}
    assert taken(device, [], [broken, OLD, OLD_CA], fingerprint=pin)[0] == {OLD}
    bag = {"do": "candidate", "received": [broken.hex(), OLD.hex()], "now": int(NOW.timestamp())}
    assert device.pki(bag) == [{"ok": OLD.hex()}]


def test_the_root_that_a_person_may_approve_is_the_one_that_ends_last(device):
    answer = device.pki(
        *(
            {
                "do": "candidate",
                "received": [der.hex() for der in bag],
                "now": int(NOW.timestamp()),
            }
            for bag in ([OLD, OLD_CA, NEW_WITH_OLD, NEW], [OLD_CA, NEW_WITH_OLD])
        )
    )
    assert answer[0] == {"ok": NEW.hex()}
    assert answer[1]["class"] == "TrustError"
