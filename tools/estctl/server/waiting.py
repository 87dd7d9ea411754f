"""Requests that wait for approval: "not yet", 202 with Retry-After (RFC 7030 4.2.3)."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pki.x509 import request_public_key

from estctl.server.messages import Refusal

_MOST = 10000  # requests that are remembered


class WaitingRoom:
    """Lets each request be sent a number of times before it is granted."""

    def __init__(self, times: int, retry_after: int | None) -> None:
        """times: how often "not yet" is said; retry_after: seconds, None for no such header."""
        self._times = times
        self._headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._asked: dict[bytes, int] = {}

    def check(self, csr: x509.CertificateSigningRequest) -> None:
        """Raise Refusal with 202 while a request has to wait.

        It is known again by subject and key: one that is linked to TLS differs in each session.
        """
        if not self._times:
            return
        public = bytes(request_public_key(csr.public_bytes(Encoding.DER)))
        name = hashlib.sha256(csr.subject.public_bytes() + public).digest()
        asked = self._asked.pop(name, 0)
        if asked >= self._times:
            return
        while len(self._asked) >= _MOST:
            self._asked.pop(next(iter(self._asked)))
        self._asked[name] = asked + 1
        raise Refusal(202, f"waits for approval ({asked + 1} of {self._times})", self._headers)
