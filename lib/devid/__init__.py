"""The device's own X.509 identity (an LDevID of IEEE 802.1AR), got by EST and kept on flash.

identity = DeviceIdentity.from_settings("/device.json")
asyncio.run(identity.ensure())
context = identity.ssl_context()
"""

import asyncio
import gc
import os

import est_limits
import unix_time
from est_errors import (
    ConfigError,
    EstError,
    NetworkError,
    ServerError,
    TrustError,
)
from heap import forget
from micropython import const

ENROLLED = "enrolled"
RENEWED = "renewed"
REFRESHED = "trust anchors refreshed"
UNCHANGED = "unchanged"

_WARNING = const(30)
_HOUR = const(3600)

# What checks certificates, and what reads and writes the store: in the heap only while it works.
FOR_TRUST = const(("base64_stream", "devid.", "est_", "pem_stream", "pki.", "tls_context"))


class DeviceIdentity:
    """Enrols the device, renews its certificate for life, and gives it to the application.

    settings: a devid.settings.Settings. limits: see est_limits. log: see est.Client. on_change:
    function of this object, called after a new certificate or new trust anchors were committed; an
    application may set it later, as an attribute. clock_assumed: whether the clock was not set,
    and the latest known time stands in; or no server could be trusted by the one that NTP gave.
    """

    def __init__(self, settings, limits=est_limits, log=None, on_change=None):
        self._settings = settings
        self._limits = limits
        self._log = _guarded(log)
        self.on_change = on_change
        self._folder = _absolute(settings.storage)
        if settings.path:
            settings.path = _absolute(settings.path)
        self._record = None
        self.clock_assumed = False
        self._lead = None  # of the clock, where devid.clock has set it
        self._busy = False  # an attempt is under way
        self._error = None  # the last one, in words
        self._asked = 0  # when /cacerts was asked last, Unix seconds
        self._renewed = 0  # and when a certificate came

    @classmethod
    def from_settings(cls, path, limits=est_limits, log=None, on_change=None):
        """Return the identity that the settings file at path describes. Raises ConfigError."""
        from devid import settings

        return cls(settings.load(path), limits, log, on_change)

    async def ensure(self, max_wait=0):
        """Have a valid certificate and current trust anchors, whatever that takes now.

        max_wait: the seconds (int) that may be waited in all where the server says "not yet"
        (RFC 7030 4.2.3), is busy, or cannot be reached; None: as many as it takes. What waits is
        kept on flash; asked too early, another ensure() raises RetryLater again.

        Returns ENROLLED, RENEWED, REFRESHED (the stored certificate is valid, the CA's
        certificates were fetched anew), or UNCHANGED. A new key and certificate replace the old
        ones in one step; whatever fails before leaves them as they were. While the certificate is
        valid, a failed renewal is logged and no error: see keep_renewed(). Raises the errors of
        est_errors, each naming its step; ApprovalNeeded where a person has to compare a
        fingerprint first.
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
                self._log(_WARNING, "%s; waiting %d s" % (error, wait))
                del pending  # a name is enough to hold a module in the heap
            forget(*FOR_TRUST)
            if max_wait is not None:
                max_wait -= wait
            tries += 1
            await unix_time.sleep(wait)

    async def renew(self):
        """Renew the certificate now (RFC 7030 4.2.2), with a new key unless the settings keep it.

        Returns RENEWED, or ENROLLED where there was none. Raises as ensure(); the identity is then
        as it was.
        """
        return await self._once(True)

    async def keep_renewed(self):
        """Keep certificate and trust anchors current, for ever: an asyncio task of its own.

        It renews when two thirds of a certificate's life are over (`renew_at` of the settings),
        less a part that differs from device to device, and never gives up: after a failure it
        waits with exponential backoff and full jitter, or as long as the server said. status()
        tells what comes next, and the last error.
        """
        while True:
            try:
                from devid import keeper

                break
            except MemoryError:  # where names that MicroPython keeps need a larger table
                self._error = "not enough memory to keep the certificate renewed"
                self._log(_WARNING, self._error)
            await unix_time.sleep(_HOUR)
        await keeper.run(self)

    async def _once(self, forced=False):
        # keep_renewed() and what the application calls take turns.
        while self._busy:  # noqa: ASYNC110 - an Event would be one more module
            await asyncio.sleep(1)
        self._busy = True
        try:
            step = await self._next_step(forced)
            before = self._error
            done = await step if step else UNCHANGED
            if done != UNCHANGED and self._error is before:
                self._error = None
            return done
        except MemoryError:
            gc.collect()
            error = EstError(
                "not enough memory: %d bytes of heap are free; see CHUNK_SIZE and MAX_BODY of "
                "board_config" % gc.mem_free(),
                "enrol",
            )
        except EstError as found:
            error = self._with_clock(found)
        except OSError as found:  # no part of the library can be loaded: no handles, or bad flash
            error = EstError("the file system says %s" % found, "enrol")
        finally:
            self._busy = False
            forget("est", *FOR_TRUST)
        self._error = str(error)
        raise error

    async def _next_step(self, forced):
        from devid import next_step

        try:
            return await next_step.choose(self, forced)
        finally:
            del next_step
            forget(*FOR_TRUST)

    async def refresh(self):
        """Fetch the CA's certificates anew (RFC 7030 4.1.2); return whether the trust changed.

        A root that replaces an old one is taken where the old key vouches for it (RFC 4210 4.4).
        Changed anchors are kept once a new TLS session has verified the server with them.
        """
        from devid import refreshing

        return await refreshing.run(self)

    def approve(self, fingerprint):
        """Trust the root with this fingerprint: a person has compared it (RFC 7030 4.1.1).

        fingerprint: SHA-256 or SHA-512 in hex (str). The next ensure() fetches the root again and
        goes on only where it is this one. Raises TrustError where another root waits for
        approval, ConfigError where there is trust already or the text is no fingerprint.
        """
        from est_arguments import fingerprint_octets

        self._trust().approve(fingerprint_octets(fingerprint))

    def disable_implicit(self):
        """Never use the maker's implicit trust anchors again (RFC 7030 3.1), for good."""
        self._trust().disable_implicit()

    def ssl_context(self):
        """Return a TLS client context with this identity and its trust anchors.

        It verifies the server, host name included; give it to asyncio.open_connection, to an MQTT
        client or to an HTTP client. Ask for a new one at each connection: it is always that of
        the current certificate. Raises ConfigError before the first enrolment.
        """
        import tls_context

        record = self._load()
        if record is None:
            raise ConfigError("this device has no certificate yet: await ensure() first")
        return tls_context.verifying(
            self._trust().anchors, (record.certificate, record.key, record.chain)
        )

    def status(self):
        """Return a dict: state, next, last_error, enrolled (bool) and trust (see
        devid.trust.TrustStores.status), and then subject, issuer, serial (hex), not_before,
        not_after (Unix seconds), fingerprint (SHA-256, hex), chain (subjects of the intermediates)
        and chain_sent (whether this port sends them in TLS).

        state: "unconfigured", "awaiting trust", "awaiting approval", "enrolled", "renewal due",
        "rekeying" or "expired". next: {"action": "approve", "enroll", "renew" or "refresh",
        "when": Unix seconds}. last_error: str or None. Where a request waits for the server:
        pending, a dict with until (Unix seconds). Raises StorageError where the stored identity
        is damaged.
        """
        forget()  # what the last operation left on the C stack
        from devid import report

        try:
            return report.status(self)
        finally:
            del report
            if not self._busy:  # else the attempt under way would load them a second time
                forget(*FOR_TRUST)

    async def _fetch_anchors(self, client, close=False):
        """Fetch /cacerts; without any trust yet, keep what a person is to approve, and stop."""
        if client.asks:
            raise self._trust().propose(await client.candidate())
        await client.cacerts(close)

    def _with_clock(self, error):
        """Add to an error about trust what the clock is worth, where that may be why; then NTP is
        asked again at the next attempt."""
        if self._lead is not None and error.__class__ is TrustError:
            said = (
                "not set, %s stands in: give it NTP" if self.clock_assumed else "set by NTP to %s"
            )
            error.message += "; the clock is " + said % unix_time.text(unix_time.now())
            self.clock_assumed = True
        return error

    def _store(self):
        """Return the Store; not kept, so that its module can leave the heap."""
        from devid.store import Store

        return Store(self._folder)

    def _trust(self):
        """Return the TrustStores, as they stand on flash; not kept either."""
        from devid.trust import TrustStores

        return TrustStores(self._settings, self._store(), self._log)

    def _load(self):
        """Return the stored Record, or None; read from flash once."""
        if self._record is None:
            from devid import record

            self._record = record.load(self._store())
        return self._record


def _absolute(path):
    """Return path as an absolute one, so that an application may change its directory."""
    if path.startswith("/"):
        return path
    return os.getcwd().rstrip("/") + "/" + path


def _guarded(log):
    """Return a log that passes everything on to the application's, if there is one."""

    def send(level, text):
        try:
            if log:
                log(level, text)
        except Exception:  # no fault of the application's may end a renewal, or cut one short
            pass

    return send
