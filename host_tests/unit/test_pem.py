from binascii import b2a_base64

from checks import raises, vector
from est_errors import ConfigError, DerError
from pki import cms, pem

CERTIFICATES = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)


def armoured(raw):
    return b"-----BEGIN CERTIFICATE-----\n" + b2a_base64(raw) + b"-----END CERTIFICATE-----\n"


def test_pem_with_other_text_around():
    text = b"a comment\n" + b"and another\r\n".join([armoured(raw) for raw in CERTIFICATES])
    assert pem.certificates(text) == CERTIFICATES


def test_der_of_one_and_of_several():
    assert pem.certificates(CERTIFICATES[0]) == CERTIFICATES[:1]
    assert pem.certificates(b"".join(CERTIFICATES)) == CERTIFICATES


def test_what_holds_no_certificate_is_refused():
    for bad in (b"", b"hello", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        raises(ConfigError, pem.certificates, bad)
    raises(ConfigError, pem.certificates, armoured(CERTIFICATES[0])[:-30])
    raises(DerError, pem.certificates, CERTIFICATES[0][:-1])
    raises(DerError, pem.certificates, armoured(b"\x30\x05\x02"))
