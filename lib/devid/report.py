"""What DeviceIdentity.status() says; loaded only for it."""

import hashlib
from binascii import hexlify


def status(record, trust):
    """Return the dict of DeviceIdentity.status().

    record: devid.store.Record or None; trust: devid.trust.TrustStores.
    """
    found = {"enrolled": record is not None, "trust": trust.status()}
    if record is None:
        return found
    import tls_stream
    from pki import name, x509

    certificate = x509.Certificate(record.certificate)
    found["subject"] = name.decode(certificate.subject)
    found["issuer"] = name.decode(certificate.issuer)
    found["serial"] = certificate.serial_hex
    found["not_before"] = certificate.not_before
    found["not_after"] = certificate.not_after
    found["fingerprint"] = hexlify(hashlib.sha256(certificate.raw).digest()).decode()
    found["chain"] = [name.decode(x509.Certificate(raw).subject) for raw in record.chain]
    found["chain_sent"] = tls_stream.sends_chain(record.certificate)
    return found
