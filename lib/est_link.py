"""Links a request to the TLS session that carries it (RFC 7030 3.5): identity and possession.

tls-unique goes into challengePassword. TLS 1.3 has no such value, and stock MicroPython gives none
in TLS 1.2 either; then challengePassword is left out, which means "not linked".
"""

from binascii import b2a_base64

from base64_stream import encode_lines
from est_errors import ConfigError
from micropython import const
from pki import der

_CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"  # RFC 2985 5.4.1
_PRINTABLE = const(0x13)
_LONGEST = const(255)  # RFC 7030 3.5
OPTIONAL = "optional"
REQUIRED = "required"


def attributes(binding, csrattrs=None, policy=None):
    """Return a list of the DER Attributes that link a request: one, or none where that is right.

    binding: what est.Client.channel_binding() gave (bytes or None). csrattrs: what the server
    wants, a CsrAttributes or None. policy: None, OPTIONAL, where a request may go unlinked
    although the server lists challengePassword, or REQUIRED, where none may. Raises ConfigError.
    """
    if binding is not None:
        password = b2a_base64(binding)[:-1]
        if len(password) > _LONGEST:
            raise ConfigError("tls-unique is too long for challengePassword (RFC 7030 3.5)")
        value = der.tlv(der.SET, der.tlv(_PRINTABLE, password))
        return [der.tlv(der.SEQUENCE, der.oid(_CHALLENGE_PASSWORD), value)]
    demanded = csrattrs and csrattrs.wants_challenge_password
    if policy == REQUIRED or (demanded and policy != OPTIONAL):
        raise ConfigError(
            "%s that the request is linked to TLS (challengePassword, RFC 7030 3.5), and this "
            'connection gives no tls-unique (MicroPython and TLS 1.3 have none); link "optional" '
            "sends it unlinked" % ("the server demands" if demanded else "the settings demand"),
            "csrattrs" if demanded else None,
        )
    return []


class Linked:
    """A request that is made anew for each TLS connection (RFC 7030 3.2.1, 4.2.3).

    der: the request that was made last (bytes), or None.
    """

    def __init__(self, client, make):
        """client: the est.Client. make: as in est.Client.simpleenroll."""
        self.der = None
        self._client = client
        self._make = make
        self._binding = None

    async def body(self):
        """Return the request (base64 lines) for the client's connection as it is now."""
        binding = self._client.tls_unique
        if self.der is None or binding != self._binding:
            self.der = await self._make(binding)
            self._binding = binding
        return encode_lines(self.der)
