"""The certificate that a device has before it first enrols, for a server that demands one.

As its maker gives it (an IDevID, IEEE 802.1AR): of a CA of its own, which the server only knows.
"""

from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from estctl.server import certificates, stored
from estctl.server.certificates import named
from estctl.server.scenarios import making
from estctl.server.signing import Pair, sign

_CA, NAME = "bootstrap-ca", "bootstrap"
_DAYS = 365


def provide(where: Path) -> Path:
    """Return the PEM file of the bootstrap CA; bootstrap.pem and bootstrap.key are beside it.

    They are made in a folder's first use, and the certificate anew when it has expired. Raises
    SettingsError where the files do not fit.
    """
    ca = stored.load(where, _CA) or stored.save(where, _CA, making.root("bootstrap CA"))
    found = stored.load(where, NAME)
    if found is None or not certificates.is_current(found.certificate):
        stored.save(where, NAME, _made(ca))
    return where / f"{_CA}.pem"


def _made(ca: Pair) -> Pair:
    key = making.new_key()
    lasts = certificates.lasting(_DAYS, ca)
    builder = certificates.end_entity(named("bootstrap"), key.public_key(), ca, lasts)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return Pair(sign(builder.add_extension(purpose, critical=False), ca), key)
