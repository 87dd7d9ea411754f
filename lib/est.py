"""EST client (RFC 7030, RFC 8951): the operations, over one persistent TLS connection.

    async with est.Client("est.example.com", anchors=[root_der]) as client:
        certificates = await client.cacerts()
        certificate = await client.simpleenroll(csr_der)

Trust is given: DER anchors, or the SHA-256 or SHA-512 fingerprint of the CA's root certificate,
which is then fetched over a provisional connection that carries nothing else (RFC 7030 4.1.1). An
issued certificate is given out only when it matches the request's key and chains to the CA.
"""

import asyncio

import est_limits
import unix_time
from est_errors import (  # noqa: F401 - users find the errors here
    ApprovalNeeded,
    AuthError,
    ConfigError,
    DeadlineError,
    DerError,
    EstError,
    KeyFault,
    LimitError,
    NetworkError,
    ProtocolError,
    RetryLater,
    ServerError,
    StorageError,
    TrustError,
    at,
)
from heap import forget, let_go
from micropython import const

_INFO = const(20)  # of logging
_FOR_EXCHANGE = (
    "base64_stream",
    "bounded_stream",
    "est_auth",
    "est_detour",
    "est_digest",
    "est_exchange",
    "est_redirect",
    "est_response",
    "http_chunked",
    "http_stream",
    "pem_stream",
    "pki.cms_stream",
    "tls_stream",
)


class Client:
    """One EST server, one label, one connection.

    host: str, DNS name or IP address. port: int. label: str or None (RFC 7030 3.2.2).
    Trust, in DER (bytes): anchors, the explicit trust anchors; authorities, the CA certificates
    that are known to lead to them; implicit, those of the first
    contact, not used any more once there are explicit ones, unless keep_implicit is true; or, in
    place of both, fingerprint: SHA-256 or SHA-512 of the CA's root certificate in hex (str; colons
    allowed); or ask=True, for candidate() alone. new_roots: whether /cacerts may bring roots that
    no anchor vouches for; None: where it lists none of the anchors, as at the first contact.
    revocation: None, "soft" or "hard", whether the server's chain is looked up in CRLs.
    original_spec: name the transfer encoding in requests, as RFC 7030 did before RFC 8951.
    user, password: str, for HTTP Digest or Basic, sent when a verified server asks; or token: str,
    for Bearer, the same, and where at_once is true with the first request already. redirects:
    "HOST[:PORT]" (str each), other origins to which the server may redirect. certificate, key,
    intermediates: DER (bytes) of a client certificate, its SEC 1 or PKCS #8 private key, and a
    list of what stands above the certificate. psk: (identity, key), str and bytes (16 to 64,
    random: RFC 7030 3.3.3 wants what no dictionary finds), in place of certificates in TLS; both
    sides prove it, and what /cacerts brings over it becomes explicit.
    limits: see est_limits. now: function that returns Unix seconds.
    log: log(level, text), level as in Python's `logging`: logging.getLogger("est").log will do.

    After use: `anchors` are the explicit trust anchors, `authorities` the CA certificates that
    lead to them, `ca_certificates` those of /cacerts that count, `chain` the issued certificate's
    intermediates, `handshakes` a count, `tls_unique` what est_link binds a request to.
    `authorised` says what vouched for the server last:
    ("explicit" | "implicit" | "pinned", "name" | "id-kp-cmcRA" | "fingerprint") or ("psk",
    "identity"); `verified`, whether a TLS session has verified the server with `anchors` as they
    are now, or with the pre-shared key.
    """

    def __init__(
        self,
        host,
        port=443,
        label=None,
        anchors=(),
        fingerprint=None,
        user=None,
        password=None,
        certificate=None,
        key=None,
        limits=est_limits,
        now=unix_time.now,
        log=None,
        intermediates=(),
        implicit=(),
        keep_implicit=False,
        ask=False,
        new_roots=None,
        revocation=None,
        original_spec=False,
        token=None,
        at_once=False,
        redirects=(),
        authorities=(),
        psk=None,
    ):
        import est_arguments

        self._path = est_arguments.base_path(label)
        self._host = host
        self._port = port
        self._fingerprint = est_arguments.fingerprint_octets(fingerprint) if fingerprint else None
        self._implicit = list(implicit)
        # Some have an argument's name: est.py has more private ones than a firmware has names.
        self.keep_implicit = keep_implicit
        self.new_roots = new_roots
        self._revocation = revocation
        self._looked_up = None, 0  # the chain last looked up in CRLs, Unix seconds
        self.original_spec = original_spec
        self._credential = token if user is None and password is None else (user, password)
        # What later requests carry: a header's value (str), or the state of est_digest (list).
        self._authorization = "Bearer " + token if token and at_once else None
        self.redirects = redirects
        self._psk = psk
        self._home = None  # the server of the settings, while a redirect leads elsewhere
        self._identity = (certificate, key, intermediates) if certificate else None
        self._limits = limits
        self._now = now
        self._log = log or (lambda level, text: None)
        self._http = None
        self._received = self._text = None  # what every connection uses: see _use()
        self.anchors = list(anchors)
        self.authorities = list(authorities)
        self.ca_certificates = []
        self.chain = []
        self.handshakes = 0
        self.tls_unique = None
        self.authorised = None
        self.verified = False
        self.asks = ask and not psk
        est_arguments.check(self, user, password, token, certificate, key, ask)
        del est_arguments
        forget("est_arguments")

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, error, traceback):
        await self.close()

    async def close(self):
        """Close the connection; the client may be used again."""
        if self._http:
            await self._end()
            # What only a connection needs makes room for what checks its answer.
            await let_go("tls_turns", *_FOR_EXCHANGE)

    async def _end(self):
        http, self._http = self._http, None
        if isinstance(http, tuple):
            http = self._stream(http)
        await http.close()

    async def park(self):
        """Let the code that serves the connection leave the heap; the connection stays open.

        For what needs much room between two operations: making a key, and a request. The next
        operation goes on with the same TLS session. Nothing happens where it is parked already.
        """
        http = self._http
        if http and not isinstance(http, tuple) and http.reusable:
            self._http = http.parked()
            http = None
            self._received = self._text = None
            await let_go(*_FOR_EXCHANGE)

    def _resume(self):
        """Undo park()."""
        if isinstance(self._http, tuple):
            self._use(self._stream(self._http))

    def _make_buffers(self):
        """Make what a connection reads into: after the handshake, and before smaller pieces."""
        if self._text is None:
            self._received = memoryview(bytearray(self._limits.CHUNK_SIZE))
            self._text = memoryview(bytearray(self._limits.CHUNK_SIZE // 2))

    def _stream(self, parked):
        import bounded_stream

        return bounded_stream.resumed(parked, self._limits)

    def _use(self, stream):
        self._make_buffers()
        from http_stream import HttpConnection

        self._http = HttpConnection(stream, self._authority, self._limits, self._received)

    async def cacerts(self, close=False):
        """Fetch the CA certificates (RFC 7030 4.1); return those that count: DER (bytes) each.

        close: end the connection before they are checked, as in simpleenroll(). `anchors` and
        `authorities` are brought up to date with them (est_anchors says how), and a change of the
        anchors ends the TLS session: the next operation makes a new one. Raises TrustError and
        the other errors of `est`; then the anchors are as they were.
        """
        await self._opened("cacerts")
        import est_cacerts

        received = await est_cacerts.fetch(self, close)
        if received is None:
            return self.ca_certificates
        del est_cacerts
        await let_go("est_cacerts")
        import est_adopt

        try:
            return await est_adopt.adopt(self, received)
        except MemoryError:
            if not self._http:
                raise
        # The connection makes room: it costs a new handshake, and nothing else has changed yet.
        del est_adopt
        forget("est_", "pki.")
        await self.close()
        self._received = self._text = None
        import est_adopt

        return await est_adopt.adopt(self, received)

    async def candidate(self):
        """Fetch, from a server that nobody vouches for, the root that a person may approve.

        RFC 7030 4.1.1. Returns its DER (bytes). Nothing is trusted by it: give its fingerprint to
        a new Client once somebody has compared it.
        """
        import est_cacerts

        return await est_cacerts.candidate(self)

    async def csrattrs(self):
        """Fetch what the server wants in a request (RFC 7030 4.5).

        Returns a pki.csrattrs.CsrAttributes, or None where the server asks for nothing. The
        connection is parked: what comes next is a request that obeys them.
        """
        await self._trusted()
        message = await self._operation("GET", "csrattrs", nothing=(204, 404, 501))
        await self.park()
        if not message:
            return None
        from pki.csrattrs import CsrAttributes

        try:
            attributes = CsrAttributes(message)
        except EstError as error:
            raise at("csrattrs", error)
        return attributes if attributes.oids or attributes.attributes else None

    async def simpleenroll(self, csr, close=False):
        """Send a PKCS #10 request (DER bytes); return the issued certificate (DER bytes).

        RFC 7030 4.2.1. csr may also be an est_link.Linked, which makes the request anew for each
        connection. close: end the connection before the answer is checked, which leaves a small
        board more heap for that. Raises RetryLater where the server said "not yet" (202),
        AuthError, ServerError, TrustError where the certificate does not chain to the CA,
        ProtocolError where it is for another key.
        """
        return await self._enroll("simpleenroll", csr, close)

    async def simplereenroll(self, csr, close=False):
        """Renew or rekey (RFC 7030 4.2.2), authenticated with the certificate being renewed.

        As simpleenroll; the request's subject and subjectAltName must equal the certificate's.
        """
        if self._identity is None:
            raise ConfigError("the current certificate and its key are needed", "simplereenroll")
        return await self._enroll("simplereenroll", csr, close)

    async def _enroll(self, operation, csr, close):
        await self._opened(operation)
        import est_enroll

        found = await est_enroll.fetch(self, operation, csr, close)
        del est_enroll
        await let_go("est_enroll")
        import est_issued

        try:
            return await est_issued.to(self, found, csr)
        except EstError as error:
            raise at(operation, error)

    async def serverkeygen(self, csr, decrypt=None, close=False):
        """Let the server make a key (RFC 7030 4.4); return (PKCS #8 DER, certificate DER).

        csr: as for simpleenroll; its own key only signs it. decrypt: what opens a key that comes
        encrypted, see est_serverkeygen; then one in plain is refused. A key that was made
        elsewhere was known elsewhere: let the device make its own where it can (section 6).
        """
        import est_serverkeygen

        return await est_serverkeygen.fetch(self, csr, decrypt, close)

    async def fullcmc(self, csr, key, certificate=None, close=False):
        """Enrol by Full CMC (RFC 7030 4.3, RFC 5272); return the issued certificate (DER bytes).

        csr: as for simpleenroll. key: the request's own, as in pki.keys, which signs the
        message; or, with certificate (DER bytes), that one's key. close: as in simpleenroll().
        Raises all that simpleenroll raises; the status of the answer is in the error's words.
        """
        import est_fullcmc

        return await est_fullcmc.fetch(self, csr, key, certificate, close)

    @property
    def _authority(self):
        name = "[" + self._host + "]" if ":" in self._host else self._host
        return name if self._port == 443 else name + ":%d" % self._port

    @property
    def _provisional(self):
        """True while there is no anchor: a connection can then do nothing but read /cacerts."""
        return not self.anchors and not self._implicit and not self._psk

    def _vouched(self, store, how):
        """Note, and log, what vouched for the server (RFC 7030 3.3.1)."""
        self.authorised = (store, how)
        self._log(_INFO, "server authorised by the %s trust anchors (%s)" % (store, how))

    async def _trusted(self):
        """Establish trust where only a fingerprint was given."""
        if self._provisional:
            await self.cacerts()

    async def _certificates(self, method, operation, content_type=None, body=None):
        """Perform an operation that answers with a certs-only message; return its certificates."""
        return await self._operation(method, operation, content_type, body, (), "certificates")

    async def _operation(
        self, method, operation, content_type=None, body=None, nothing=(), read=None
    ):
        """Perform one operation: see est_exchange.operation()."""
        await self._opened(operation)
        import est_exchange

        return await est_exchange.operation(
            self, method, operation, content_type, body, nothing, read
        )

    async def _opened(self, operation):
        """Have a verified connection, before what uses it takes the room of the handshake."""
        if self._http:
            self._make_buffers()
        elif not self._provisional:
            looked_up = self._looked_up
            try:
                await self.connect()
            except EstError as error:
                raise at(operation, error)
            # To look CRLs up may take longer than a server waits for a request.
            self._http.once = looked_up is self._looked_up

    async def connect(self):
        """Open a new connection: verified, or provisional while there is no anchor.

        Every operation does it where there is none. Raises TrustError, NetworkError, KeyFault.
        """
        await self.close()
        import est_server

        stream = await est_server.connect(self)
        # What checks certificates comes back for the answer: until then the heap is the exchange's
        del est_server
        try:
            await let_go("est_server", "tls_peer", "pki.")
            self._use(stream)
        except (MemoryError, asyncio.CancelledError):
            await stream.close()
            raise
