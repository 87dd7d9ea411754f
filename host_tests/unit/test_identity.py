from checks import raises, vector
from devid import DeviceIdentity
from devid.settings import parse
from devid.store import Record, Store
from est_errors import ConfigError
from pki import cms


def identity(folder):
    values = {"url": "https://h", "trust": {"fingerprint": "ab"}, "subject": "CN=x"}
    values["storage"] = folder
    return DeviceIdentity(parse(values))


def test_before_the_first_enrolment():
    found = identity("test_identity_a")
    status = found.status()
    assert not status["enrolled"] and status["trust"]["store"] == "pinned"
    assert "ensure()" in str(raises(ConfigError, found.ssl_context))


def test_the_status_of_a_stored_identity_needs_no_network():
    certificate = cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0]
    Store("test_identity_b").commit(Record(b"key", certificate, [certificate]))
    status = identity("test_identity_b").status()
    assert status["enrolled"] and status["subject"].endswith("serialNumber=Wt1234")
    assert status["issuer"].endswith("CN=802.1AR CA") and status["not_after"] == 253402300799
    assert len(status["fingerprint"]) == 64 and "key" not in status
    assert status["chain"] == [status["subject"]] and status["chain_sent"] in (True, False)
