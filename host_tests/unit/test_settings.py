import json
import os

from checks import raises, vector
from devid import DeviceIdentity, settings
from est_errors import ConfigError
from pki import cms, pem

GOOD = {"url": "https://h", "trust": {"fingerprint": "ab"}, "subject": "CN=x"}


def with_(**changes):
    values = {}
    values.update(GOOD)
    values.update(changes)
    return values


def test_defaults():
    found = settings.parse(GOOD)
    assert (found.host, found.port, found.label) == ("h", 443, None)
    assert found.fingerprint == "ab" and found.anchors == [] and found.user is None
    assert found.csrattrs and found.storage == "identity" and found.ntp == "pool.ntp.org"
    assert not found.original_spec
    assert settings.parse(dict(GOOD, original_spec=True)).original_spec


def test_urls():
    for url, parts in (
        ("https://est.example.com", ("est.example.com", 443, None)),
        ("https://est.example.com/", ("est.example.com", 443, None)),
        ("https://h:8443/factory", ("h", 8443, "factory")),
        ("https://h:8443/.well-known/est/factory", ("h", 8443, "factory")),
        ("https://h/.well-known/est", ("h", 443, None)),
        ("https://h/a/b/c", ("h", 443, "a/b/c")),
        ("https://192.0.2.1:1", ("192.0.2.1", 1, None)),
        ("https://[2001:db8::1]:8443/x", ("2001:db8::1", 8443, "x")),
        ("https://[::1]", ("::1", 443, None)),
    ):
        assert settings.parse_url(url) == parts, url
    for bad in (
        "http://h",
        "est.example.com",
        "https://",
        "https://:443",
        "https://h:x",
        "https://h:99999",
        "https://h:0",
        "https://h:" + "9" * 5000,
        "https://h:\u00b2",
        "https://h:\u0664\u0664\u0663",
        "https://user:secret@h",
        "https://[::1]x",
    ):
        assert "URL" in str(raises(ConfigError, settings.parse_url, bad))


def test_what_is_wrong_is_named_with_what_to_write():
    for values, texts in (
        ([], ("one JSON object",)),
        ({}, ("url is missing", "https://HOST")),
        (with_(uri="x"), ("unknown name uri", "do you mean url?")),
        (with_(sanns=[]), ("unknown name sanns", "do you mean san?")),
        (with_(keyusage=[]), ("do you mean key_usage?",)),
        (
            with_(certificate="x"),
            ("unknown name certificate", "known are", "credential, csrattrs"),
        ),
        (with_(url=5), ("url is https://HOST",)),
        (with_(trust={"implicit": True}), ("trust is",)),
        (with_(trust={"implicit": ""}), ("trust is",)),
        (with_(trust={"implicit": "/x", "anchors": "/y"}), ("trust is",)),
        (with_(trust={"keep_implicit": 1}), ("trust is",)),
        (with_(trust={"new_roots": "all"}), ("trust is",)),
        (with_(trust={"revocation": "maybe"}), ("trust is", "soft")),
        (with_(trust={"verify": False}), ("trust is",)),
        (with_(trust={"fingerprint": "x", "anchors": "y"}), ("trust is",)),
        (with_(trust={"fingerprint": 5}), ("trust is",)),
        (with_(credential={"user": "x"}), ("credential is", "password")),
        (with_(san="dns:x"), ("san is a list",)),
        (with_(san=[5]), ("san is a list",)),
        (with_(subject=""), ("subject",)),
        (with_(subject="CN={serial}"), ("only {unique_id} and {mac}",)),
        (with_(csrattrs=1), ("csrattrs is",)),
        (with_(link="maybe"), ("link is", "optional")),
        (with_(wifi={"password": "x"}), ("wifi is",)),
        (with_(trust={"anchors": "/no/such/file"}), ("/no/such/file cannot be read",)),
    ):
        text = str(raises(ConfigError, settings.parse, values))
        for part in texts:
            assert part in text, text


def test_what_trust_may_say():
    with open("test_trust.pem", "wb") as file:
        file.write(pem.encode(cms.certificates(vector("rfc9148/cacerts.p7.der"), 8)))
    found = settings.parse(with_(trust={}))
    assert not found.anchors and not found.implicit and found.fingerprint is None
    assert not found.implicit_off and not found.keep_implicit and found.revocation is None
    found = settings.parse({"url": "https://h", "subject": "CN=x"})  # a person will approve
    assert not found.anchors and found.fingerprint is None
    found = settings.parse(with_(trust={"implicit": "test_trust.pem", "keep_implicit": True}))
    assert len(found.implicit) >= 1 and found.keep_implicit and not found.anchors
    found = settings.parse(with_(trust={"implicit": False, "anchors": "test_trust.pem"}))
    assert found.implicit_off and len(found.anchors) >= 1
    found = settings.parse(with_(trust={"revocation": "hard", "new_roots": "any"}))
    assert (found.revocation, found.new_roots) == ("hard", "any")
    assert settings.parse(with_(trust={"revocation": "off"})).revocation is None
    os.remove("test_trust.pem")


def test_credentials():
    found = settings.parse(with_(credential={"user": "", "password": "pin"}))
    assert (found.user, found.password, found.token) == ("", "pin", None)
    found = settings.parse(with_(credential={"token": "t0ken"}))
    assert found.token == "t0ken" and not found.at_once and found.user is None
    assert settings.parse(with_(credential={"token": "t0ken", "at_once": True})).at_once
    with open("test_settings.der", "wb") as file:
        file.write(cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)[0])
    both = {"certificate": "test_settings.der", "key": "test_settings.der"}
    both.update({"user": "u", "password": "p"})
    found = settings.parse(with_(credential=both))
    assert found.certificate and found.key and (found.user, found.password) == ("u", "p")
    for bad in (
        {"token": 5},
        {"token": "t0ken", "at_once": "yes"},
        {"at_once": True},
        {"token": "t0ken", "user": "u", "password": "p"},
        {"certificate": "x"},
    ):
        error = str(raises(ConfigError, settings.parse, with_(credential=bad)))
        assert "credential is" in error and "t0ken" not in error


def test_other_hosts_that_the_server_may_send_us_to():
    assert list(settings.parse(GOOD).redirects) == []
    assert settings.parse(with_(redirects=["a:8443", "b"])).redirects == ["a:8443", "b"]
    for bad in ("https://a", "a/b", "", "a:x"):
        error = raises(ConfigError, settings.parse, with_(redirects=[bad]))
        assert "is not HOST[:PORT]" in str(error)


def test_how_long_a_boot_may_wait():
    assert settings.parse(GOOD).max_wait is None
    assert settings.parse(with_(max_wait=0)).max_wait == 0
    for wrong in ("5", -1, 1.5, True, False, None):
        raises(ConfigError, settings.parse, with_(max_wait=wrong))


def test_a_password_never_shows():
    values = with_(credential={"user": "u", "password": "S3cret"})
    found = settings.parse(values)
    assert found.password == "S3cret"
    assert "S3cret" not in repr(found)
    values["credential"]["extra"] = "x"
    assert "S3cret" not in str(raises(ConfigError, settings.parse, values))


def test_files_that_cannot_be_used():
    assert "cannot be read" in str(raises(ConfigError, settings.load, "/no/such/file"))
    for content in (b"", b"{", b"\xff\xfe", b'{"url": "https://h"', b"nonsense"):
        with open("test_settings.json", "wb") as file:
            file.write(content)
        # MicroPython 1.25 takes a cut-off object; then something is missing in it.
        text = str(raises(ConfigError, settings.load, "test_settings.json"))
        assert "is not JSON" in text or "is missing" in text or "give a subject" in text
    # MicroPython's parser is lax about commas and colons; what it takes is taken.
    for content, line in (
        (b'{\n "url": "https://h",\n "subject": CN=x\n}\n', 3),
        (b'{"url": nonsense}', 1),
        (b"{\n\n\n'url': 'https://h'\n}", 4),
    ):
        with open("test_settings.json", "wb") as file:
            file.write(content)
        text = str(raises(ConfigError, settings.load, "test_settings.json"))
        assert "is not JSON: look at line %d" % line in text, text
    with open("test_settings.json", "wb") as file:
        file.write(b'{"url": ' + b"[" * 1100 + b"]" * 1100 + b"}")
    raises(ConfigError, settings.load, "test_settings.json")
    os.remove("test_settings.json")
    raises(ConfigError, settings.parse, with_(trust={"anchors": "a\0b"}))


def test_a_text_that_is_no_unicode_is_refused_where_the_interpreter_knows_it():
    half = json.loads('"\\ud800"')
    for changes in ({"subject": half}, {"san": [half]}, {"wifi": {"ssid": half}}):
        try:
            half.encode()
            settings.parse(with_(**changes))  # MicroPython: some octets as any others
        except UnicodeError:
            raises(ConfigError, settings.parse, with_(**changes))


def test_a_pre_shared_key_is_hex():
    values = {"url": "https://h", "subject": "CN=x"}
    values["credential"] = {"psk_identity": "device-7", "psk_key": "00ff" * 8}
    assert settings.parse(values).psk == ("device-7", b"\0\xff" * 8)
    values["credential"] = {"psk_identity": "device-7", "psk_key": "S3cret"}
    assert "S3cret" not in str(raises(ConfigError, settings.parse, values))
    values["credential"] = {"psk_identity": "device-7"}
    raises(ConfigError, settings.parse, values)


def test_the_file_is_known_wherever_the_application_goes():
    with open("test_settings.json", "w") as file:
        json.dump(GOOD, file)
    here = os.getcwd() + "/test_settings.json"
    for path in ("test_settings.json", here):
        assert DeviceIdentity.from_settings(path)._settings.path == here
    os.remove(here)
