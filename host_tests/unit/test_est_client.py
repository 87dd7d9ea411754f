import est
from checks import araises, raises
from est_errors import ConfigError

PIN = "ab" * 32


def test_what_a_client_needs_is_asked_for():
    raises(ConfigError, est.Client, "h")
    raises(ConfigError, est.Client, "h", anchors=[])
    raises(ConfigError, est.Client, "h", fingerprint=PIN, certificate=b"x")
    raises(ConfigError, est.Client, "h", fingerprint=PIN, key=b"x")
    raises(ConfigError, est.Client, "h", fingerprint=PIN, user="a:b", password="c")


def test_fingerprints_in_the_forms_that_tools_print():
    for text in (PIN + PIN, PIN, PIN.upper(), ":".join(["ab"] * 32), " ".join(["AB"] * 32)):
        est.Client("h", fingerprint=text)
    for bad in ("ab", PIN + "ab", "xy" * 32, "ab:" * 31):
        raises(ConfigError, est.Client, "h", fingerprint=bad)


def test_labels_that_rfc_7030_forbids():
    for label in (None, "", "factory", "a/b/c", "x-1_2.3~"):
        est.Client("h", label=label, fingerprint=PIN)
    for bad in ("cacerts", "simpleenroll", "a b", "a?b", "a#b", "a\r\nb", "ä"):
        raises(ConfigError, est.Client, "h", label=bad, fingerprint=PIN)


async def test_renewing_needs_the_certificate():
    client = est.Client("h", fingerprint=PIN)
    await araises(ConfigError, client.simplereenroll(b""))


def test_a_token_is_in_place_of_a_password():
    raises(ConfigError, est.Client, "h", fingerprint=PIN, user="u", password="p", token="S3cret")
    client = est.Client("h", fingerprint=PIN, token="S3cret", at_once=True)
    assert "S3cret" not in repr(client) + str(client)


def test_a_client_never_shows_its_password():
    client = est.Client("h", fingerprint=PIN, user="u", password="S3cret")
    assert "S3cret" not in repr(client) + str(client)
