import est_auth
import est_digest
from checks import Skip

MANY = (
    'Negotiate, NTLM TlRMTVNTUAAC==, dIgEsT realm = "a \\"b\\", \\\\c", nonce="n=1,2",'
    ' qop="auth,auth-int",stale=FALSE, algorithm=SHA-256 , Basic realm="x y"'
)


def test_several_challenges_in_one_header():
    found = est_auth.challenges(MANY)
    assert [scheme for scheme, _ in found] == ["Negotiate", "NTLM", "dIgEsT", "Basic"]
    assert found[2][1] == {
        "realm": 'a "b", \\c',
        "nonce": "n=1,2",
        "qop": "auth,auth-int",
        "stale": "FALSE",
        "algorithm": "SHA-256",
    }
    assert found[3][1] == {"realm": "x y"}


def test_what_is_malformed_is_read_past():
    for text in (
        "",
        ",,, ",
        "=",
        '"',
        '"x',
        'Digest realm="',
        "Digest =x",
        "a=b",
        'X y="\\',
        "\\",
    ):
        for _, parameters in est_auth.challenges(text):
            assert isinstance(parameters, dict)
    assert est_auth.challenges('Digest realm="x, Basic') == [("Digest", {"realm": "x, Basic"})]
    assert est_auth.challenges("Basic realm=x, realm=y")[0][1] == {"realm": "x"}


def test_the_offer_is_named_and_bounded():
    assert est_auth.offered("") == "no HTTP scheme"
    assert est_auth.offered(MANY) == "Negotiate, NTLM, dIgEsT SHA-256 auth,auth-int, Basic"
    assert est_auth.offered('Digest realm="x", nonce="y"') == "Digest MD5"
    assert len(est_auth.offered("X" * 500)) == 80


class Server:
    """What answer() sees of a client and of a response: both in one."""

    def __init__(self, credential, provisional=False):
        self._credential = credential
        self._provisional = provisional
        self._authorization = None
        self.headers = {}

    def asks(self, header, answered=0):
        self.headers["www-authenticate"] = header
        return est_auth.answer(self, self, answered)


DIGEST = 'Digest realm="r", nonce="%s", qop="auth", algorithm=%s'


def test_the_strongest_scheme_is_taken():
    offers = [DIGEST % ("1", "MD5"), 'Basic realm="r"', DIGEST % ("2", "SHA-256")]
    for begin, expected in ((0, "2"), (2, "2")):
        server = Server(("u", "p"))
        assert server.asks(", ".join(offers[begin:] + offers[:begin]))
        assert server._authorization[3] == expected
    server = Server(("u", "p"))
    assert server.asks(", ".join(offers[:2])) and server._authorization[1] == 1
    server = Server(("u", "p"))
    assert server.asks(DIGEST % ("3", "SHA-512-256") + ", " + offers[1])
    assert server._authorization == "Basic dTpw"


def test_an_empty_user_name():
    server = Server(("", "pin"))
    assert server.asks("Basic") and server._authorization == "Basic OnBpbg=="
    server = Server(("", "pin"))
    assert server.asks(DIGEST % ("1", "SHA-256"))
    assert 'username="", ' in est_digest.answer(server._authorization, "GET", "/")


def test_a_challenge_is_answered_once_and_a_stale_nonce_once_more():
    server = Server(("u", "p"))
    challenge = DIGEST % ("1", "SHA-256")
    assert server.asks(challenge)
    assert not server.asks(challenge, 1)
    assert server.asks(challenge + ", stale=TRUE", 1)
    assert not server.asks(challenge + ", stale=true", 2)
    assert not server.asks('Basic realm="r"', 1)  # no step down to the password in the clear
    server = Server(("u", "p"))
    assert server.asks("Basic") and not server.asks("Basic", 1) and not server.asks("Basic")


def test_a_token_answers_bearer_or_a_401_without_a_challenge():
    for header in ('Bearer realm="x"', "basic, BEARER", ""):
        server = Server("t0ken")
        assert server.asks(header) and server._authorization == "Bearer t0ken"
        assert not server.asks(header, 1)
    assert not Server("t0ken").asks("Basic") and not Server(("u", "p")).asks("Bearer")


def test_what_cannot_be_computed_is_not_answered():
    for header in (
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", qop="auth-int"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", algorithm=SHA-256-sess',  # without qop
    ):
        assert not Server(("u", "p")).asks(header), header


def made(challenge, credential, method, target, cnonce=None):
    """Return the parameters of the answer to a challenge, as a server would read them."""
    state = est_digest.begin(est_digest.strongest(est_auth.challenges(challenge)), credential)
    if cnonce:
        state[4] = cnonce
    return est_auth.challenges(est_digest.answer(state, method, target))[0][1]


def test_the_examples_of_rfc_7616():
    if not hasattr(est_digest.hashlib, "md5"):
        raise Skip("this port has no MD5")
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        found = made(
            'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s,'
            ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",'
            ' opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' % algorithm,
            ("Mufasa", "Circle of Life"),
            "GET",
            "/dir/index.html",
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        assert found["response"] == response and found["algorithm"] == algorithm
        assert found["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
        assert (found["qop"], found["nc"], found["uri"]) == ("auth", "00000001", "/dir/index.html")


def test_the_example_of_rfc_2617():
    if not hasattr(est_digest.hashlib, "md5"):
        raise Skip("this port has no MD5")
    found = made(
        'Digest realm="testrealm@host.com", qop="auth,auth-int",'
        ' nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
        ("Mufasa", "Circle Of Life"),
        "GET",
        "/dir/index.html",
        "0a4f113b",
    )
    assert found["response"] == "6629fae49393a05397450978507c4ef1"
    assert "algorithm" not in found


def test_requests_are_counted_and_the_next_nonce_is_taken():
    state = est_digest.begin({"realm": "r", "nonce": "1", "qop": "auth"}, ("u", "p"))
    first, second = [est_digest.answer(state, "GET", "/") for _ in range(2)]
    assert "nc=00000001" in first and "nc=00000002" in second
    est_digest.follow(state, 'qop=auth, nextnonce="2 \\" 3"')
    third = est_digest.answer(state, "GET", "/")
    assert "nc=00000001" in third and 'nonce="2 \\" 3"' in third
    est_digest.follow(state, "rspauth=x")
    assert "nc=00000002" in est_digest.answer(state, "GET", "/")


def test_names_beyond_ascii():
    known = {"realm": "r", "nonce": "1", "qop": "auth", "algorithm": "SHA-256"}
    state = est_digest.begin(known, ("j\xe4s", "p"))
    assert 'username="j\xe4s"' in est_digest.answer(state, "GET", "/")
    known["charset"] = "UTF-8"
    state = est_digest.begin(known, ("j\xe4s", "p"))
    assert "username*=UTF-8''%6A%C3%A4%73," in est_digest.answer(state, "GET", "/")
