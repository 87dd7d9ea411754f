"""The device's own X.509 identity (an LDevID of IEEE 802.1AR), got by EST and kept on flash.

identity = DeviceIdentity.from_settings("/device.json")
asyncio.run(identity.ensure())
context = identity.ssl_context()
"""

import gc
import os
import sys

import est_limits
import unix_time
from est_errors import ConfigError, EstError, StorageError, TrustError

from devid.store import Record, Store

ENROLLED = "enrolled"
UNCHANGED = "unchanged"

# What checks certificates, and what makes a request: never both in the heap at once.
_FOR_TRUST = (
    "est_bootstrap",
    "pki.cms",
    "pki.ip_address",
    "pki.path",
    "pki.server_name",
    "pki.signature",
    "pki.x509",
)
_FOR_REQUEST = (
    "pki.csr",
    "pki.csrattrs",
    "pki.entropy",
    "pki.general_name",
    "pki.keys",
    "pki.name",
    "pki.p256",
    "pki.rfc6979",
)


class DeviceIdentity:
    """Enrols the device and gives its certificate to the application.

    settings: a devid.settings.Settings. limits: see est_limits. log: function of one str.
    """

    def __init__(self, settings, limits=est_limits, log=None):
        self._settings = settings
        self._limits = limits
        self._log = log or _silent
        self._store = Store(_absolute(settings.storage))
        self._record = None

    @classmethod
    def from_settings(cls, path, limits=est_limits, log=None):
        """Return the identity that the settings file at path describes. Raises ConfigError."""
        from devid import settings

        return cls(settings.load(path), limits, log)

    async def ensure(self):
        """Have a valid certificate: take the stored one, or enrol. Returns ENROLLED or UNCHANGED.

        A new key and certificate replace the old ones in one step; whatever fails before leaves
        them as they were. Raises the errors of est_errors, each naming its step.
        """
        self._check_clock()
        _forget("devid.settings", "devid.clock")
        try:
            self._load()
        except StorageError as error:
            self._log("store: %s; enrolling anew" % error.message)
        if self._record and not self._expired():
            self._log("identity: the stored certificate is valid")
            return UNCHANGED
        try:
            await self._enroll()
        except MemoryError:
            gc.collect()
            raise EstError(
                "not enough memory: %d bytes of heap are free; see CHUNK_SIZE and MAX_BODY of "
                "board_config" % gc.mem_free(),
                "enrol",
            )
        return ENROLLED

    def ssl_context(self):
        """Return a TLS client context with this identity and its trust anchors.

        It verifies the server, host name included; give it to asyncio.open_connection, to an MQTT
        client or to an HTTP client. Raises ConfigError before the first enrolment.
        """
        import tls_stream

        record = self._load()
        if record is None:
            raise ConfigError("this device has no certificate yet: await ensure() first")
        return tls_stream.client_context(record.anchors, record.certificate, record.key)

    def status(self):
        """Return a dict: enrolled (bool), and then subject, issuer, serial (hex), not_before,
        not_after (Unix seconds) and fingerprint (SHA-256, hex) of the certificate. Raises
        StorageError where what is stored is damaged."""
        if not self._load():
            return {"enrolled": False}
        import hashlib
        from binascii import hexlify

        from pki import name, x509

        certificate = x509.Certificate(self._record.certificate)
        return {
            "enrolled": True,
            "subject": name.decode(certificate.subject),
            "issuer": name.decode(certificate.issuer),
            "serial": certificate.serial_hex,
            "not_before": certificate.not_before,
            "not_after": certificate.not_after,
            "fingerprint": hexlify(hashlib.sha256(certificate.raw).digest()).decode(),
        }

    async def _enroll(self):
        """The first enrolment: trust, key, request, certificate, one commit (RFC 7030 4.2.1)."""
        import est

        settings = self._settings
        client = est.Client(
            settings.host,
            settings.port,
            settings.label,
            settings.anchors,
            settings.fingerprint,
            settings.user,
            settings.password,
            settings.certificate,
            settings.key,
            self._limits,
            log=self._log,
        )
        async with client:
            await client.cacerts()
            _forget(*_FOR_TRUST)
            private, request = await self._request(client)
            _forget(*_FOR_REQUEST)
            certificate = await client.simpleenroll(request)
            self._log("simpleenroll: certificate received and checked")
        record = Record(private, certificate, client.chain, _anchors(client))
        try:
            self._store.commit(record)
        except EstError as error:
            error.step = "store"
            raise
        self._record = record
        self._log("store: identity committed")

    async def _request(self, client):
        """Make a key; return it (SEC 1 DER) with the request (DER) that the server asks for."""
        from pki import keys

        settings = self._settings
        self._log("key: generating P-256")
        key = await keys.generate()
        attributes = await client.csrattrs() if settings.csrattrs else None
        if attributes and attributes.wants_challenge_password:
            # Some servers list it and do not require it, so the request is sent all the same.
            self._log(
                "csrattrs: the server wants the request linked to TLS, which is not possible"
            )
        from pki import csr

        request = await csr.build(
            key,
            settings.subject,
            settings.san,
            settings.key_usage,
            settings.ext_key_usage,
            attributes,
        )
        return await key.private_bytes(), request

    def _check_clock(self):
        from devid import clock

        if not clock.plausible():
            raise TrustError(
                "the clock is not set: it says %s, before this software was made; set it (NTP) "
                "before certificates are checked" % unix_time.text(unix_time.now()),
                "clock",
            )

    def _expired(self):
        from pki import x509

        return unix_time.now() > x509.Certificate(self._record.certificate).not_after

    def _load(self):
        """Return the stored Record, or None; read from flash once."""
        if self._record is None:
            self._record = self._store.load()
        return self._record


def _forget(*modules):
    """Give back the heap of modules that have served; an import loads them again.

    What is frozen into the firmware is in flash and costs nothing either way.
    """
    for module in modules:
        if sys.modules.pop(module, None):
            package, _, name = module.rpartition(".")
            if package:
                delattr(sys.modules[package], name)
    gc.collect()


def _anchors(client):
    """Return the DER anchors to keep: those that TLS trusts, and the EST CA's own roots."""
    from pki import x509

    kept = list(client.anchors)
    for raw in client.ca_certificates:
        if raw not in kept and x509.Certificate(raw).self_issued:
            kept.append(raw)
    return kept


def _absolute(folder):
    """Return folder as an absolute path, so that an application may change its directory."""
    if folder.startswith("/"):
        return folder
    return os.getcwd().rstrip("/") + "/" + folder


def _silent(text):
    """The default log."""
