from checks import raises, vector
from est_errors import DerError
from pki import cms, der, der_writer, general_name, name, oid, x509

UTC_TIME, GENERALIZED_TIME = 0x17, 0x18


def certificate():
    return x509.Certificate(cms.certificates(vector("rfc9148/enroll.p7.der"), 1)[0])


def test_the_fields_of_the_rfc_9148_certificate():
    found = certificate()
    assert name.decode(found.issuer) == "C=US,ST=CA,O=Example Inc,OU=certification,CN=802.1AR CA"
    assert name.decode(found.subject) == "C=US,ST=CA,L=LA,O=example Inc,OU=IoT,serialNumber=Wt1234"
    assert found.version == 3 and not found.self_issued
    assert found.basic_constraints == (False, None)
    assert found.not_before == 1548934156 and found.not_after == 253402300799
    assert found.key_usage == 1 << x509.DIGITAL_SIGNATURE | 1 << 2
    # The subjectAltName of an IEEE 802.1AR device, written by others.
    names = found.extension(oid.SUBJECT_ALT_NAME)
    assert general_name.decode(names) == ["hwmodule:1.3.6.1.4.1.6715.10.1:01020304"]
    assert general_name.encode(general_name.decode(names)) == names


def test_dates():
    def when(tag, text):
        return x509.read_time(der.Reader(der_writer.tlv(tag, text)))

    assert when(UTC_TIME, b"700101000000Z") == 0
    assert when(UTC_TIME, b"491231235959Z") == 2524607999
    assert when(UTC_TIME, b"500101000000Z") == -631152000
    assert when(GENERALIZED_TIME, b"20240229120000Z") == 1709208000
    assert when(GENERALIZED_TIME, b"99991231235959Z") == 253402300799
    for tag, text in (
        (UTC_TIME, b"20240229120000Z"),
        (GENERALIZED_TIME, b"240229120000Z"),
        (UTC_TIME, b"2402291200Z"),
        (UTC_TIME, b"240229120000+"),
        (UTC_TIME, b"230229120000Z"),
        (UTC_TIME, b"241301120000Z"),
        (UTC_TIME, b"240001120000Z"),
        (UTC_TIME, b"240100120000Z"),
        (UTC_TIME, b"240132120000Z"),
        (UTC_TIME, b"240101240000Z"),
        (UTC_TIME, b"240101126000Z"),
        (UTC_TIME, b"24010112 000Z"),
        (der.OCTET_STRING, b"240101120000Z"),
    ):
        raises(DerError, when, tag, text)


def test_the_four_ca_certificates_of_rfc_7030():
    found = [
        x509.Certificate(raw) for raw in cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
    ]
    assert [name.decode(certificate.subject)[-3:] for certificate in found] == [
        "OwO",
        "NwO",
        "OwN",
        "NwN",
    ]
    assert [certificate.self_issued for certificate in found] == [True, False, False, True]
    assert [certificate.basic_constraints[0] for certificate in found] == [
        True,
        False,
        False,
        True,
    ]
    assert found[0].key_usage == 0b1100000 and found[1].key_usage == 0b1101
    assert found[0].not_after == 1399607611
    assert [len(list(certificate.extensions())) for certificate in found] == [3, 3, 3, 3]
    assert len(list(found[0].extensions())) == 3, "the extensions can be read again"
    assert found[0].extension(oid.SUBJECT_ALT_NAME) is None


def test_every_truncation_is_refused():
    raw = certificate().raw
    for size in range(0, len(raw), 3):
        raises(DerError, x509.Certificate, raw[:size])
    raises(DerError, x509.Certificate, raw + b"\0")


def test_two_different_signature_algorithms_are_refused():
    raw = certificate().raw
    at = raw.find(b"\x2a\x86\x48\xce\x3d\x04\x03\x02")
    raises(DerError, x509.Certificate, raw[: at + 7] + b"\x03" + raw[at + 8 :])


def test_a_flipped_byte_never_gives_a_foreign_error():
    raw = bytearray(certificate().raw)
    for i in range(0, len(raw), 3):
        kept = raw[i]
        for value in (0, 0xFF, kept ^ 0x20):
            raw[i] = value
            try:
                found = x509.Certificate(bytes(raw))
                for read in ("not_before", "not_after", "basic_constraints", "key_usage"):
                    getattr(found, read)
                name.decode(found.subject)
                name.decode(found.issuer)
            except DerError:
                pass
        raw[i] = kept
