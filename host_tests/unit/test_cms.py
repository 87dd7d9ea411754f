from checks import raises, vector
from est_errors import DerError, LimitError
from pki import cms, der, der_writer, x509


def test_the_cacerts_of_rfc_7030():
    found = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
    assert len(found) == 4
    assert all(x509.Certificate(raw).version == 3 for raw in found)


def test_the_enrolment_of_rfc_7030_and_of_rfc_9148():
    for name in ("rfc7030/enroll", "rfc7030/serverkeygen", "rfc9148/enroll", "rfc9148/cacerts"):
        assert len(cms.certificates(vector(name + ".p7.der"), 1)) == 1


def test_more_certificates_than_the_limit_are_refused():
    raises(LimitError, cms.certificates, vector("rfc7030/cacerts.p7.der"), 3)


def test_what_is_no_signed_data_is_refused():
    message = vector("rfc9148/enroll.p7.der")
    raises(DerError, cms.certificates, message.replace(b"\x01\x07\x02", b"\x01\x07\x03", 1), 8)
    raises(DerError, cms.certificates, vector("rfc9148/enroll.csr.der"), 8)


def test_certificates_without_a_wrapper():
    ca, leaf = [
        cms.certificates(vector("rfc9148/%s.p7.der" % name), 1)[0]
        for name in ("cacerts", "enroll")
    ]
    assert cms.certificates(ca, 8) == [ca]
    assert cms.certificates(leaf + ca, 8) == [leaf, ca]
    raises(LimitError, cms.certificates, leaf + ca, 1)
    raises(DerError, cms.certificates, leaf + ca[:-1], 8)
    raises(DerError, cms.certificates, leaf + b"\0", 8)


def test_every_truncation_is_refused():
    message = vector("rfc9148/enroll.p7.der")
    for size in range(0, len(message), 7):
        raises(DerError, cms.certificates, message[:size], 8)
    raises(DerError, cms.certificates, message + b"\0", 8)


def test_the_wrapper_may_be_ber_as_bouncy_castle_writes_it():
    raw = cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0]
    data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
    message = (
        b"\x30\x80" + data + b"\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00"
        b"\x30\x80" + data + b"\x01\0\0"
        b"\xa0\x80" + raw + b"\0\0\x31\x00\0\0\0\0\0\0"
    )
    assert cms.certificates(message, 1) == [raw]
    for size in range(0, len(message), 5):
        raises(DerError, cms.certificates, message[:size], 8)


def test_no_certificates_at_all():
    inner = der_writer.tlv(
        der.SEQUENCE,
        der_writer.integer(1),
        b"\x31\x00\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x31\x00",
    )
    message = der_writer.tlv(
        der.SEQUENCE,
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
        der_writer.tlv(der.CONSTRUCTED_CONTEXT, inner),
    )
    assert cms.certificates(message, 8) == []
