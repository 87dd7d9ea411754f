"""The link to TLS, and what a log says of wishes that are not met."""

from checks import raises
from est_errors import ConfigError
from est_link import OPTIONAL, REQUIRED, attributes
from pki import der, der_writer, key_kind, key_wishes, oid_text
from pki.csrattrs import CsrAttributes

CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"


def test_tls_unique_goes_in_base64_into_challenge_password():
    (made,) = attributes(bytes(range(12)))
    reader = der.sequence(made)
    assert reader.oid() == CHALLENGE_PASSWORD
    assert bytes(reader.enter(der.SET).take(0x13)) == b"AAECAwQFBgcICQoL"


def test_what_is_longer_than_255_octets_in_base64_is_refused():
    attributes(bytes(189))
    raises(ConfigError, attributes, bytes(192))


def test_without_tls_unique_nothing_stands_in_its_place():
    assert attributes(None) == []
    assert attributes(None, False, OPTIONAL) == []
    assert attributes(None, True, OPTIONAL) == []


def test_a_demand_that_cannot_be_met_is_refused_with_the_way_around():
    for demanded, policy in ((True, None), (True, REQUIRED), (False, REQUIRED)):
        error = raises(ConfigError, attributes, None, demanded, policy)
        assert "challengePassword" in str(error) and '"optional"' in str(error)
        assert ("server demands" in str(error)) == demanded


def wishes(*parts):
    return CsrAttributes(der_writer.tlv(der.SEQUENCE, *parts))


def key(kind, *values):
    return der_writer.tlv(der.SEQUENCE, der_writer.oid(kind), der_writer.tlv(der.SET, *values))


def signature(dotted):
    return der_writer.oid(oid_text.encode(dotted))


def test_wishes_that_are_met_are_not_mentioned():
    p256 = key(key_kind.EC, der_writer.oid(key_kind.PRIME256V1))
    for met in (
        wishes(),
        wishes(p256, signature("1.2.840.10045.4.3.2")),
        wishes(key(key_kind.EC)),
        wishes(signature("2.16.840.1.101.3.4.2.1")),
        wishes(signature("1.2.840.10045.4.3.3"), signature("1.2.840.10045.4.3.2")),
        wishes(signature("1.3.6.1.1.1.1.22")),
    ):
        assert key_wishes.unmet(met) == []


def test_wishes_that_are_not_met_are_named():
    p384 = key(key_kind.EC, der_writer.oid(b"\x2b\x81\x04\x00\x22"))
    assert key_wishes.unmet(wishes(p384)) == ["a P-384 key"]
    for dotted in ("1.2.840.10045.4.3.4", "1.2.840.113549.1.1.11", "2.16.840.1.101.3.4.2.2"):
        assert key_wishes.unmet(wishes(signature(dotted))) == ["a signature by " + dotted]
