from checks import raises, vector
from devid import DeviceIdentity
from devid.settings import parse
from est_errors import ConfigError
from heap import forget


def identity(folder):
    values = {"url": "https://h", "trust": {"fingerprint": "ab"}, "subject": "CN=x"}
    values["storage"] = folder
    return DeviceIdentity(parse(values))


def stored(folder):
    from devid import record
    from devid.store import IDENTITY, Store
    from pki import cms

    certificate = cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0]
    found = record.Record(b"key", certificate, [certificate])
    Store(folder).commit({IDENTITY: record.parts(found)})


def test_before_the_first_enrolment():
    found = identity("test_identity_a")
    status = found.status()
    assert status["state"] == "unconfigured" and status["next"]["action"] == "enroll"
    assert not status["enrolled"] and status["trust"]["store"] == "pinned"
    assert "ensure()" in str(raises(ConfigError, found.ssl_context))


def test_the_status_of_a_stored_identity_needs_no_network():
    stored("test_identity_b")
    # As on a board: what has served leaves the heap, here a 64-bit one with the compiler in it.
    forget("pki.cms", "devid.record", "devid.settings", "devid.store")
    status = identity("test_identity_b").status()
    assert status["state"] == "enrolled" and status["next"]["action"] == "refresh"
    assert status["last_error"] is None
    assert status["enrolled"] and status["subject"].endswith("serialNumber=Wt1234")
    assert status["issuer"].endswith("CN=802.1AR CA") and status["not_after"] == 253402300799
    assert len(status["fingerprint"]) == 64 and "key" not in status
    assert status["chain"] == [status["subject"]] and status["chain_sent"] in (True, False)
