import asyncio

import est_redirect
from checks import araises
from est_errors import ConfigError


def test_references_are_resolved():
    base = "/.well-known/est/a/cacerts"
    for reference, target in (
        ("/x", "/x"),
        ("/x/../y/./z?q=/../", "/y/z?q=/../"),
        ("x", "/.well-known/est/a/x"),
        ("../x", "/.well-known/est/x"),
        ("../../../../x", "/x"),
        ("?q", base + "?q"),
        ("", base),
        (".", "/.well-known/est/a/"),
        ("..", "/.well-known/est/"),
    ):
        assert est_redirect.resolve(base, reference) == target, reference


def test_origins():
    for text, origin in (
        ("h", ("h", 443)),
        ("CA.example:8443", ("ca.example", 8443)),
        ("192.0.2.1:1", ("192.0.2.1", 1)),
        ("[2001:DB8::1]", ("2001:db8::1", 443)),
        ("[::1]:8443", ("::1", 8443)),
    ):
        assert est_redirect.parse(text) == origin, text
    wrong = ("", ":1", "h:x", "h:0", "h:65536", "h:9999999", "u@h", "h/x", "[::1", "[::1]x")
    for bad in wrong + ("h:\u00b2", "h:\u0664"):
        assert est_redirect.parse(bad) is None, bad


class Client:
    """What follow() needs of est.Client, and of a response."""

    def __init__(self, *redirects):
        self._host, self._port = "Here.example", 443
        self._identity, self._authorization = "certificate", "secret"
        self._psk = None
        self._provisional = False
        self.redirects = redirects
        self._home = None
        self.status = 307
        self.headers = {}
        self.closed = 0

    def _log(self, level, text):
        assert "secret" not in text

    async def close(self):
        self.closed += 1

    async def to(self, location):
        self.headers["location"] = location
        return await est_redirect.follow(self, "/dir/a?b", self)


async def test_within_the_origin():
    for location, target in (
        ("https://here.example/x?y#z", "/x?y"),
        ("HTTPS://HERE.example:443", "/"),
        ("https://here.example?q", "/?q"),
        ("https://here.example/../x", "/x"),
        ("//here.example/x", "/x"),
        ("c", "/dir/c"),
        ("/c?u=https://other.example/", "/c?u=https://other.example/"),
    ):
        client = Client()
        assert await client.to(location) == target, location
        assert client.closed == 0 and client._authorization == "secret"


async def test_elsewhere_and_home_again():
    client = Client("other.example:8443", "[::1]")
    assert await client.to("https://OTHER.example:8443/x") == "/x"
    assert (client._host, client._port) == ("other.example", 8443)
    assert client._identity is None and client._authorization is None and client.closed == 1
    assert await client.to("//[::1]/y") == "/y" and client._host == "::1"
    client._authorization = "answered there"
    assert await client.to("https://here.example/z") == "/z"
    assert client._host == "Here.example" and client._authorization == "secret"
    assert client._identity == "certificate" and client._home is None


async def test_what_is_not_followed():
    for location in (
        "https://evil.example/x",
        "https://other.example:8444/x",
        "https://other.example@evil.example/x",
        "https://here.example@evil.example/x",
        "https://here.example:x/",
        "//evil.example/x",
        "http://here.example/x",
        "http://other.example:8443/x",
        "ftp://here.example/x",
        "https:/x",
        "https:x",
        "/x y",
        "/\\evil.example",
        "\\\\evil.example",
        "/x\xe4",
        "javascript:x",
    ):
        client = Client("other.example:8443")
        assert await client.to(location) is None, location
        assert client._host == "Here.example" and client.closed == 0


async def test_an_allowed_origin_that_is_none_is_named():
    client = Client("https://other.example")
    error = await araises(ConfigError, client.to("https://other.example/"))
    assert "https://other.example is not HOST[:PORT]" in str(error)


async def test_a_client_is_at_home_again_even_if_it_is_cancelled_on_the_way():
    client = Client("there.example")
    assert await client.to("https://there.example/x") == "/x"
    assert (client._host, client._identity) == ("there.example", None)

    async def cancelled():
        raise asyncio.CancelledError

    client.close = cancelled
    await araises(asyncio.CancelledError, est_redirect.home(client))
    assert (client._host, client._port, client._home) == ("Here.example", 443, None)
    assert (client._identity, client._authorization) == ("certificate", "secret")
