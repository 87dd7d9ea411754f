"""The key and the request of an enrolment or a renewal (PKCS #10; RFC 7030 4.2)."""

from heap import forget, let_go
from micropython import const

from devid import FOR_TRUST

_INFO = const(20)

# What says what a request is to hold: not in the heap together with what makes it.
_FOR_NAMES = (
    "est_link",
    "pki.csr_parts",
    "pki.csr_template",
    "pki.csr_wishes",
    "pki.csrattrs",
    "pki.der",
    "pki.general_name",
    "pki.key_kind",
    "pki.key_wishes",
    "pki.name",
    "pki.oid_text",
    "pki.renewal",
    "pki.x509",
)


async def make(device, client, private, record=None):
    """Make a key and the request that the server asks for.

    device: the devid.DeviceIdentity; client: its est.Client, connected. private: SEC 1 DER of a
    key that is there already, or empty. record: the devid.record.Record that is renewed, or None.
    Returns (SEC 1 DER, PKCS #10 DER or an est_link.Linked).
    """
    settings = device._settings
    attributes = None
    if settings.csrattrs:
        attributes = await client.csrattrs()  # parks the connection
    else:
        await client.park()
    if not attributes:  # else what reads them stays, and would be loaded a second time
        forget(*FOR_TRUST)
    parts = linked = None
    if record:
        from pki import renewal

        parts = renewal.parts(record.certificate) + ([],)
        del renewal
    if attributes or settings.link or client.tls_unique:
        from devid import wishes

        parts, linked = await wishes.parts(
            client, settings, attributes, device._log, parts and parts[:2]
        )
        del wishes
    elif not record:
        parts = parts_of(settings)
    attributes = None
    await let_go("devid.wishes", *_FOR_NAMES)
    if record and not private and not settings.rekey:
        private = record.key
    from pki import csr, keys

    if private:
        key = await keys.load(private)
    else:
        device._log(_INFO, "key: generating P-256")
        key = await keys.generate()
    request = linked(key) if linked else await csr.signed(key, *parts)
    return await key.private_bytes(), request


def parts_of(settings):
    """Return what pki.csr.signed() takes, by the settings alone. Raises ConfigError."""
    from pki import csr_parts

    return csr_parts.parts(
        settings.subject, settings.san, settings.key_usage, settings.ext_key_usage
    )


def forgotten():
    """Let all that makes requests leave the heap."""
    forget("est_link", "pki.")
