"""HTTP authentication: Basic (RFC 7617), Digest (RFC 7616) and Bearer (RFC 6750)."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from aiohttp import web
from multidict import CIMultiDict

from estctl.server.messages import Refusal
from estctl.server.settings import Authentication

_ALGORITHMS = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}  # the best first, as clients want it
_REALM = "EST"
_NONCE_LIFE = 300  # seconds
_MOST_NONCES = 10000
_PARAMETER = re.compile(r'([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


class Scheme(ABC):
    """One way to prove over HTTP who one is."""

    wanted = "give user name and password, or a client certificate"

    def __init__(self, user: str, password: str) -> None:
        self._user = user.encode()
        self._password = password.encode()

    @abstractmethod
    def client(self, header: str, request: web.Request) -> str:
        """Return who sent a request with this Authorization header. Raises Refusal with 401."""

    @abstractmethod
    def challenges(self, stale: bool = False) -> list[str]:
        """Return the challenges for a 401; stale: the credentials are right, the nonce is old."""

    def refusal(self, reason: str, stale: bool = False) -> Refusal:
        """Return a 401 with its challenges, a header line each."""
        headers = [("WWW-Authenticate", text) for text in self.challenges(stale)]
        return Refusal(401, reason, CIMultiDict(headers))


class Basic(Scheme):
    """User name and password in the clear, inside TLS."""

    def challenges(self, stale: bool = False) -> list[str]:
        """Return the one challenge."""
        return [f'Basic realm="{_REALM}", charset="UTF-8"']

    def client(self, header: str, request: web.Request) -> str:
        """Compare user name and password."""
        scheme, _, encoded = header.partition(" ")
        try:
            decoded = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            decoded = b""
        user, colon, password = decoded.partition(b":")
        if scheme.lower() != "basic" or not colon:
            raise self.refusal("the credentials are not HTTP Basic")
        # Both are compared, in constant time each.
        right = hmac.compare_digest(user, self._user)
        right &= hmac.compare_digest(password, self._password)
        if not right:
            raise self.refusal("wrong user name or password")
        return f"user {self._user.decode()}"


class Digest(Scheme):
    """A hash of the password, of the request and of a nonce, which counts its requests."""

    def __init__(self, user: str, password: str) -> None:
        super().__init__(user, password)
        self._nonces: dict[str, tuple[float, int]] = {}  # when it ends, and its last count

    def challenges(self, stale: bool = False) -> list[str]:
        """Return a challenge an algorithm, with a new nonce."""
        while len(self._nonces) >= _MOST_NONCES:
            self._nonces.pop(next(iter(self._nonces)))
        nonce = secrets.token_urlsafe(24)
        self._nonces[nonce] = (time.monotonic() + _NONCE_LIFE, 0)
        more = ", stale=true" if stale else ""
        return [
            f'Digest realm="{_REALM}", qop="auth", algorithm={algorithm}, nonce="{nonce}",'
            f' charset="UTF-8"{more}'
            for algorithm in _ALGORITHMS
        ]

    def client(self, header: str, request: web.Request) -> str:
        """Compute what the client should have sent, and compare."""
        scheme, _, rest = header.partition(" ")
        given = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted) or token
            for name, quoted, token in _PARAMETER.findall(rest)
        }
        if scheme.lower() != "digest" or given.get("algorithm", "MD5") not in _ALGORITHMS:
            raise self.refusal("the credentials are not HTTP Digest with SHA-256 or MD5")
        if given.get("uri") != request.raw_path or given.get("realm") != _REALM:
            raise self.refusal("the digest is for another URL or realm")
        expected = self._response(given, request.method)
        right = hmac.compare_digest(_user(given), self._user)
        right &= hmac.compare_digest(_octets(given.get("response", "")), expected.encode())
        if not right:
            raise self.refusal("wrong user name or password")
        if not self._counts(given):
            raise self.refusal("the nonce is old, or was used already", stale=True)
        return f"user {self._user.decode()}"

    def _response(self, given: dict[str, str], method: str) -> str:
        """Return the response that is right (RFC 7616 3.4.1)."""
        algorithm = _ALGORITHMS[given.get("algorithm", "MD5")]

        def digest(*parts: bytes) -> str:
            return algorithm(b":".join(parts)).hexdigest()

        secret = digest(self._user, _REALM.encode(), self._password)
        target = digest(method.encode(), _octets(given["uri"]))
        between = (_octets(given.get(name, "")) for name in ("nonce", "nc", "cnonce", "qop"))
        return digest(secret.encode(), *between, target.encode())

    def _counts(self, given: dict[str, str]) -> bool:
        """Take a request's count; return whether its nonce is ours, and the count a new one."""
        nonce = given.get("nonce", "")
        end, last = self._nonces.get(nonce, (0.0, 0))
        count = int(given["nc"], 16) if re.fullmatch("[0-9a-f]{8}", given.get("nc", "")) else 0
        if time.monotonic() > end or count <= last:
            return False
        self._nonces[nonce] = (end, count)
        return True


class Bearer(Scheme):
    """A token; it is what the password file holds."""

    wanted = "give a token, or a client certificate"

    def challenges(self, stale: bool = False) -> list[str]:
        """Return the one challenge."""
        return [f'Bearer realm="{_REALM}"']

    def client(self, header: str, request: web.Request) -> str:
        """Compare the token."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            _octets(token.strip()), self._password
        ):
            raise self.refusal("wrong token")
        return "token"


def scheme(authentication: Authentication, user: str, password: str) -> Scheme | None:
    """Return the scheme of the settings, or None where nobody is asked."""
    kinds: dict[Authentication, Callable[[str, str], Scheme]] = {
        Authentication.BASIC: Basic,
        Authentication.DIGEST: Digest,
        Authentication.BEARER: Bearer,
    }
    kind = kinds.get(authentication)
    return kind(user, password) if kind else None


def _user(given: dict[str, str]) -> bytes:
    """Return the user name, which RFC 7616 3.4.4 also has in the form of RFC 8187."""
    coded = given.get("username*", "")
    if coded.upper().startswith("UTF-8''"):
        return unquote_to_bytes(_octets(coded[7:]))
    return _octets(given.get("username", ""))


def _octets(text: str) -> bytes:
    """Return the octets of a part of a header: aiohttp reads any, UTF-8 or not."""
    return text.encode("utf-8", "surrogateescape")
