"""The device's own X.509 identity (an LDevID of IEEE 802.1AR), got by EST and kept on flash.

identity = DeviceIdentity.from_settings("/device.json")
asyncio.run(identity.ensure())
context = identity.ssl_context()
"""

import gc
import os

import est_limits
import unix_time
from est_errors import (
    ConfigError,
    EstError,
    NetworkError,
    ServerError,
    StorageError,
    TrustError,
)
from heap import forget
from micropython import const

ENROLLED = "enrolled"
REFRESHED = "trust anchors refreshed"
UNCHANGED = "unchanged"

_DAY = const(86400)
_PENDING = "/pending.der"

# What checks certificates, what says what a request is to hold, and what makes it: never two of
# them in the heap at once.
_FOR_TRUST = (
    "devid.clock",
    "devid.pending",
    "devid.report",
    "devid.settings",
    "devid.store",
    "devid.trust",
    "est_anchors",
    "est_cacerts",
    "est_server",
    "pki.cms",
    "pki.ip_address",
    "pki.path",
    "pki.server_name",
    "pki.signature",
    "pki.x509",
)
_FOR_NAMES = (
    "devid.wishes",
    "est_link",
    "pki.csr_template",
    "pki.csr_wishes",
    "pki.csrattrs",
    "pki.general_name",
    "pki.key_kind",
    "pki.name",
)
_FOR_REQUEST = ("pki.csr", "pki.entropy", "pki.keys", "pki.p256", "pki.rfc6979")


class DeviceIdentity:
    """Enrols the device and gives its certificate to the application.

    settings: a devid.settings.Settings. limits: see est_limits. log: function of one str.
    """

    def __init__(self, settings, limits=est_limits, log=None):
        self._settings = settings
        self._limits = limits
        self._log = log or _silent
        self._folder = _absolute(settings.storage)
        self._record = None
        self._assumed = False  # the clock was not set: the latest known time stands in

    @classmethod
    def from_settings(cls, path, limits=est_limits, log=None):
        """Return the identity that the settings file at path describes. Raises ConfigError."""
        from devid import settings

        return cls(settings.load(path), limits, log)

    async def ensure(self, max_wait=0):
        """Have a valid certificate and current trust anchors, whatever that takes now.

        max_wait: the seconds (int) that may be waited in all where the server says "not yet"
        (RFC 7030 4.2.3), is busy, or cannot be reached; None: as many as it takes. What waits is
        kept on flash; asked too early, another ensure() raises RetryLater again.

        Returns ENROLLED, REFRESHED (the stored certificate is valid, the CA's certificates were
        fetched anew), or UNCHANGED. A new key and certificate replace the old ones in one step;
        whatever fails before leaves them as they were. Raises the errors of est_errors, each
        naming its step; ApprovalNeeded where a person has to compare a fingerprint first.
        """
        tries = 0
        while True:
            try:
                return await self._once()
            except (NetworkError, ServerError) as error:
                if max_wait == 0:
                    raise
                from devid import pending

                wait = pending.patience(error, tries, max_wait, self._limits)
                self._log("%s; waiting %d s" % (error, wait))
                del pending  # a name is enough to hold a module in the heap
            forget("devid.pending", "est_refusal")
            if max_wait is not None:
                max_wait -= wait
            tries += 1
            import asyncio

            await asyncio.sleep(wait)

    async def _once(self):
        try:
            return await self._ensure()
        except TrustError as error:
            raise self._with_clock(error)
        except MemoryError:
            gc.collect()
            raise EstError(
                "not enough memory: %d bytes of heap are free; see CHUNK_SIZE and MAX_BODY of "
                "board_config" % gc.mem_free(),
                "enrol",
            )
        finally:
            forget("est", *_FOR_TRUST)  # the application gets the heap

    async def _ensure(self):
        await self._check_clock()
        forget(*_FOR_TRUST)
        try:
            self._load()
        except StorageError as error:
            self._log("store: %s; enrolling anew" % error.message)
        if not self._record or self._expired():
            self._store().check()  # before a one-time code is spent
            await self._enroll()
            return ENROLLED
        self._granted()
        self._log("identity: the stored certificate is valid")
        if not self._trust().refresh_due(unix_time.now()):
            return UNCHANGED
        return await self._refresh_if_possible()

    async def refresh(self):
        """Fetch the CA's certificates anew (RFC 7030 4.1.2); return whether the trust changed.

        A root that replaces an old one is taken where the old key vouches for it (RFC 4210 4.4).
        Changed anchors are kept once a new TLS session has verified the server with them.
        """
        record = self._load()
        client = self._client(record)
        async with client:
            await self._fetch_anchors(client, close=True)
            forget(*_FOR_TRUST)
            if not client.verified:
                await client.connect()  # the new session that changed anchors want
        forget(*_FOR_TRUST)
        return self._keep_trust(client)

    def approve(self, fingerprint):
        """Trust the root with this fingerprint: a person has compared it (RFC 7030 4.1.1).

        fingerprint: SHA-256 or SHA-512 in hex (str). The next ensure() fetches the root again and
        goes on only where it is this one. Raises TrustError where another root waits for
        approval, ConfigError where there is trust already or the text is no fingerprint.
        """
        from est import fingerprint_octets

        self._trust().approve(fingerprint_octets(fingerprint))

    def disable_implicit(self):
        """Never use the maker's implicit trust anchors again (RFC 7030 3.1), for good."""
        self._trust().disable_implicit()

    def ssl_context(self):
        """Return a TLS client context with this identity and its trust anchors.

        It verifies the server, host name included; give it to asyncio.open_connection, to an MQTT
        client or to an HTTP client. Raises ConfigError before the first enrolment.
        """
        import tls_stream

        record = self._load()
        if record is None:
            raise ConfigError("this device has no certificate yet: await ensure() first")
        return tls_stream.client_context(self._trust().anchors, _presented(record))

    def status(self):
        """Return a dict: enrolled (bool) and trust (see devid.trust.TrustStores.status), and then
        subject, issuer, serial (hex), not_before, not_after (Unix seconds), fingerprint (SHA-256,
        hex), chain (subjects of the intermediates) and chain_sent (whether this port sends them
        in TLS). Where a request waits for the server: pending, a dict with until (Unix seconds).
        Raises StorageError where the stored identity is damaged."""
        from devid import report

        try:
            found = report.status(self._load(), self._trust())
            if self._waits():
                from devid import pending

                found["pending"] = {"until": pending.until(self._store())}
            return found
        finally:
            forget("tls_stream", "pki.name", "pki.pem", *_FOR_TRUST)

    async def _refresh_if_possible(self):
        """Refresh the trust anchors; a failure is logged, for the identity is good without."""
        try:
            changed = await self.refresh()
        except EstError as error:
            self._log("trust: %s; the anchors stay as they are" % self._with_clock(error))
            return UNCHANGED
        except MemoryError:
            self._log("trust: not enough memory to refresh it; the anchors stay as they are")
            return UNCHANGED
        return REFRESHED if changed else UNCHANGED

    async def _enroll(self):
        """The first enrolment: trust, key, request, certificate, one commit (RFC 7030 4.2.1)."""
        private = request = None
        if self._waits():
            from devid import pending

            private, request = pending.load(self._store(), self._settings, self._limits, self._log)
            del pending
        client = self._client(None)
        async with client:
            try:
                # Where the request is there already, the heap is not as whole as at a first boot.
                await self._fetch_anchors(client, close=bool(request))
                forget(*_FOR_TRUST)
                if not request:
                    private, request = await self._request(client, private)
                    forget(*_FOR_REQUEST)
                certificate = await client.simpleenroll(request, close=True)
                self._log("simpleenroll: certificate received and checked")
            except EstError as error:
                await client.close()
                forget(*_FOR_NAMES)
                forget(*_FOR_REQUEST)
                # What has verified the server need not be found again.
                self._keep_trust(client)
                if isinstance(error, ServerError):
                    from devid import pending

                    pending.refused(
                        error, self._store(), self._settings, self._limits, private, request
                    )
                raise
        forget(*_FOR_TRUST)
        self._keep_trust(client)
        from devid.store import Record

        record = Record(private, certificate, client.chain)
        try:
            self._store().commit(record)
        except EstError as error:
            error.step = "store"
            raise
        self._record = record
        self._granted()
        self._log("store: identity committed")

    def _client(self, record):
        """Return an est.Client with the identity of a Record, or else the settings' credential."""
        import est

        settings = self._settings
        arguments = self._trust().arguments()
        if record:
            who = {
                "certificate": record.certificate,
                "key": record.key,
                "intermediates": record.chain,
            }
        else:
            who = {
                "user": settings.user,
                "password": settings.password,
                "token": settings.token,
                "at_once": settings.at_once,
                "certificate": settings.certificate,
                "key": settings.key,
                "intermediates": settings.intermediates,
            }
        arguments.update(who)
        forget(*_FOR_TRUST)
        return est.Client(
            settings.host,
            settings.port,
            settings.label,
            limits=self._limits,
            log=self._log,
            original_spec=settings.original_spec,
            redirects=settings.redirects,
            **arguments,
        )

    async def _fetch_anchors(self, client, close=False):
        """Fetch /cacerts; without any trust yet, keep what a person is to approve, and stop."""
        if client.asks:
            raise self._trust().propose(await client.candidate())
        await client.cacerts(close)

    def _keep_trust(self, client):
        """Keep the client's anchors, which have verified the server, and the time; see keep()."""
        if not client.verified:
            return False
        changed = self._trust().keep(client)
        if changed:
            self._log("store: %d trust anchors committed" % len(client.anchors))
        # The server's certificate is valid now: no clock that was set wrong gets into the store.
        now = unix_time.now()
        if not self._assumed and now > self._store().load_time() + _DAY:
            self._store().keep_time(now)
        return changed

    async def _request(self, client, private):
        """Make a key, unless there is one already (private, SEC 1 DER); return it with the request
        (DER) that the server asks for."""
        settings = self._settings
        attributes = await client.csrattrs() if settings.csrattrs else None
        forget(*_FOR_TRUST)
        from pki import csr

        linked = None
        if attributes or settings.link or client.tls_unique:
            from devid import wishes

            parts, linked = await wishes.parts(client, settings, attributes, self._log)
        else:
            parts = csr.parts(
                settings.subject, settings.san, settings.key_usage, settings.ext_key_usage
            )
        attributes = None
        forget(*_FOR_NAMES)
        from pki import keys

        if private:
            key = await keys.load(private)
        else:
            self._log("key: generating P-256")
            key = await keys.generate()
        request = linked(key) if linked else await csr.signed(key, *parts)
        return await key.private_bytes(), request

    def _waits(self):
        """Return whether something waits for the server: see devid.pending."""
        try:
            os.stat(self._folder + _PENDING)
        except OSError:
            return False
        return True

    def _granted(self):
        """Forget what waited."""
        if self._waits():
            os.remove(self._folder + _PENDING)

    async def _check_clock(self):
        """Have a plausible time: the clock's, else the network's, else the latest known one."""
        from devid import clock

        earliest, latest = self._trust().window()
        known = max(earliest, self._store().load_time())
        self._assumed = await clock.ensure(self._settings.ntp, known, latest, self._log)

    def _with_clock(self, error):
        """Add to an error that the clock was never set, where that may be its reason."""
        if self._assumed:
            error.message += "; the clock is not set, %s stands in: give it NTP" % unix_time.text(
                unix_time.now()
            )
        return error

    def _store(self):
        """Return the Store; not kept, so that its module can leave the heap."""
        from devid.store import Store

        return Store(self._folder)

    def _trust(self):
        """Return the TrustStores, as they stand on flash; not kept either."""
        from devid.trust import TrustStores

        return TrustStores(self._settings, self._store(), self._log)

    def _expired(self):
        from pki import x509

        return unix_time.now() > x509.Certificate(self._record.certificate).not_after

    def _load(self):
        """Return the stored Record, or None; read from flash once."""
        if self._record is None:
            self._record = self._store().load()
        return self._record


def _presented(record):
    """Return a Record as tls_stream takes a client certificate."""
    return record.certificate, record.key, record.chain


def _absolute(folder):
    """Return folder as an absolute path, so that an application may change its directory."""
    if folder.startswith("/"):
        return folder
    return os.getcwd().rstrip("/") + "/" + folder


def _silent(text):
    """The default log."""
