"""Revocation of a server's chain: fetches the CRLs that its certificates name (RFC 5280 4.2.1.13).

Over plain HTTP, as CAs publish them: a CRL carries its own signature, and pki.revocation believes
nothing before it has verified that. Other addresses (https, ldap) are passed over, redirects are
failures. A CRL is read through a fixed buffer and never held.

Not with micropython-lib's `requests`, which was the proposal: it stops every other task while it
waits, has no deadline for the whole (a server that sends one header line now and then holds the
device for days), reads lines of any length, does not take chunked bodies, and follows redirects by
itself. Our own reader is loaded anyway.
"""

import asyncio

from est_errors import EstError, LimitError, ProtocolError, TrustError
from micropython import const
from pki import oid, revocation, x509

_WARNING = const(30)  # of logging
_MOST_FETCHES = const(8)  # CRLs for one chain
_PORT = const(80)
_HOUR = const(3600)  # seconds


async def look_up(client, chain):
    """Check the chain (list of DER) of an est.Client's server as check() does, unless that was
    done less than an hour ago.

    It may take longer than the server waits for a request: then the next connection, to which
    est.Client resorts, finds it done.
    """
    now = client._now()
    done, when = client._looked_up
    if done == chain and 0 <= now - when < _HOUR:
        return
    await check(chain, client.authorities, client._revocation, client._limits, now, client._log)
    client._looked_up = chain, now


async def check(chain, authorities, policy, limits, now, log=None):
    """Check that no certificate of a verified chain is revoked, the upper ones first.

    chain: DER certificates (bytes), leaf first, trust anchor last, of which the last is trusted
    and not looked up. authorities: other DER CA certificates, which may be a CRL's signers; nobody
    need vouch for them. policy: "soft" or "hard". limits: see est_limits. now: Unix seconds. log:
    log(level, text), or None.

    Raises TrustError where a certificate is revoked. Where a CRL that a certificate names cannot
    be had or does not answer, "hard" raises TrustError and "soft" logs one line. A certificate
    that names no CRL has nothing to look up: one line in the log under either policy.
    """
    certificates = [x509.Certificate(raw) for raw in chain]
    others = [x509.Certificate(raw) for raw in authorities]
    view = memoryview(bytearray(limits.CHUNK_SIZE))
    source = _Http(limits)
    checker = revocation.Checker(certificates, others, source, view, now, limits)
    for i in range(len(certificates) - 2, -1, -1):
        if certificates[i].extension(oid.CRL_DISTRIBUTION_POINTS) is None:
            text = "certificate %d of the chain names no CRL: not looked up" % (i + 1)
        else:
            source.begin()
            try:
                await checker.check(i)
                continue
            except (revocation.Undetermined, ProtocolError) as error:
                text = error.message + source.reasons()
            if policy == "hard":
                raise TrustError(text + "; revocation is hard: without its CRL no connection")
        if log:
            log(_WARNING, "revocation: " + text)


class _Http:
    """Serves CRLs by their http:// URIs: a source for revocation.Checker."""

    def __init__(self, limits):
        self._limits = limits
        self._view = memoryview(bytearray(limits.CHUNK_SIZE))
        self._fetches = _MOST_FETCHES
        self.begin()

    def begin(self):
        """Forget what was tried and passed over for the certificate before."""
        self._tried = []
        self._passed_over = []

    def candidates(self, points):
        """Return the URIs (bytes) of distribution points that can be fetched."""
        found = []
        for point in points:
            for uri in point.uris():
                if uri[:7].lower() == b"http://":
                    if uri not in found:
                        found.append(uri)
                elif uri not in self._passed_over:
                    self._passed_over.append(uri)
        return found

    def reasons(self):
        """Return what was tried and what was passed over (str)."""
        tried = [_printable(uri) for uri in self._tried]
        schemes = [_printable(uri.split(b":")[0]) for uri in self._passed_over]
        text = "; tried: " + (", ".join(tried) or "none")
        if schemes:
            text += "; only http:// is fetched, passed over: " + ", ".join(schemes)
        return text

    async def open(self, uri):
        """Return the stream of the CRL at a URI (bytes)."""
        if not self._fetches:
            raise LimitError("more than %d CRLs for one chain" % _MOST_FETCHES)
        self._fetches -= 1
        self._tried.append(uri)
        host, port, authority, path = _split(_printable(uri))
        import tls_stream
        from http_stream import HttpConnection

        body = _Body(await tls_stream.connect_plain(host, port, self._limits))
        try:
            connection = HttpConnection(body.stream, authority, self._limits, self._view)
            body.response = await connection.request("GET", path, most=self._limits.MAX_CRL)
            status = body.response.status
            if 300 <= status < 400:
                raise ProtocolError("redirects are not followed (HTTP status %d)" % status)
            if status != 200:
                raise ProtocolError("HTTP status %d" % status)
        except (EstError, MemoryError, asyncio.CancelledError):
            await body.close()
            raise
        return body


class _Body:
    """The body of a response, and its connection."""

    def __init__(self, stream):
        self.stream = stream
        self.response = None

    async def readinto(self, view):
        return await self.response.readinto(view)

    async def close(self):
        await self.stream.close()


def _split(uri):
    """Return (host, port, authority, path and query) of an http:// URI (str)."""
    authority, _, path = uri[7:].partition("/")
    host, _, port = authority.rpartition(":")
    if not host or "]" in port:
        host, port = authority, str(_PORT)
    if host[:1] == "[":
        host = host[1:-1]
    number = int(port[:6] or _PORT) if not port or port.isdigit() else 0
    if not host or "@" in authority or "?" in authority or not 0 < number < 65536:
        raise ProtocolError("%s is not http://HOST[:PORT]/PATH" % uri)
    return host, number, authority, "/" + path.partition("#")[0]


def _printable(octets):
    """Return octets as str; nothing in it may break a line of the request or of the log."""
    return bytes([octet if 32 < octet < 127 else 0x5F for octet in octets]).decode()
