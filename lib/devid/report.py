"""What DeviceIdentity.status() says; loaded only for it."""

import hashlib
from binascii import hexlify

import unix_time
from heap import forget

from devid import FOR_TRUST


def status(device):
    """Return the dict of DeviceIdentity.status(). device: the devid.DeviceIdentity."""
    from devid import schedule

    due = schedule.plan(device)
    del schedule
    forget(*FOR_TRUST)
    from devid import pending

    record, trust, error = device._load(), device._trust(), device._error
    waiting = pending.read(device._store())
    found = {
        "state": _state(record, trust, waiting, due),
        "next": {"action": due[0], "when": due[1]},
        "last_error": error or (waiting.reason if waiting and waiting.reason else None),
        "enrolled": record is not None,
        "trust": trust.status(),
    }
    if waiting and waiting.until:
        found["pending"] = {"until": waiting.until}
    if record is None:
        return found
    del pending, waiting, trust
    forget(*FOR_TRUST)
    from pki import name, x509

    certificate = x509.Certificate(record.certificate)
    found["subject"] = name.text(certificate.subject)
    found["issuer"] = name.text(certificate.issuer)
    found["serial"] = certificate.serial_hex
    found["not_before"] = certificate.not_before
    found["not_after"] = certificate.not_after
    found["fingerprint"] = hexlify(hashlib.sha256(certificate.raw).digest()).decode()
    found["chain"] = [name.text(x509.Certificate(raw).subject) for raw in record.chain]
    del name, x509, certificate  # a name is enough to hold a module in the heap
    forget("pki.")
    import tls_context

    found["chain_sent"] = tls_context.sends_chain(record.certificate)
    return found


def _state(record, trust, waiting, due):
    """Return the state of the device in words: all of it follows from what is on flash."""
    if record is None:
        if trust.asks:
            return "awaiting trust"
        return "awaiting approval" if waiting and waiting.until else "unconfigured"
    from pki import x509

    now = unix_time.now()
    if now > x509.Certificate(record.certificate).not_after:
        return "expired"
    if waiting and waiting.key:
        return "rekeying"
    return "renewal due" if due[0] == "renew" and now >= due[1] else "enrolled"
