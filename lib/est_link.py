"""Links a request to the TLS session that carries it (RFC 7030 3.5): identity and possession.

tls-unique goes into challengePassword. TLS 1.3 has no such value, and stock MicroPython gives none
in TLS 1.2 either; then challengePassword is left out, which means "not linked".
"""

from binascii import b2a_base64

from est_errors import ConfigError, EstError
from micropython import const
from pki import der, der_writer

_CHALLENGE_PASSWORD = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"  # RFC 2985 5.4.1
_PRINTABLE = const(0x13)
_LONGEST = const(255)  # RFC 7030 3.5
OPTIONAL = "optional"
REQUIRED = "required"


def attributes(binding, demanded=False, policy=None):
    """Return a list of the DER Attributes that link a request: one, or none where that is right.

    binding: what channel_binding() gave (bytes or None). demanded:
    whether the server wants the link (CsrAttributes.wants_challenge_password). policy: None,
    OPTIONAL, where a request may go unlinked all the same, or REQUIRED, where none may. Raises
    ConfigError.
    """
    if binding is not None:
        password = b2a_base64(binding)[:-1]
        if len(password) > _LONGEST:
            raise ConfigError("tls-unique is too long for challengePassword (RFC 7030 3.5)")
        value = der_writer.tlv(der.SET, der_writer.tlv(_PRINTABLE, password))
        return [der_writer.tlv(der.SEQUENCE, der_writer.oid(_CHALLENGE_PASSWORD), value)]
    if policy == REQUIRED or (demanded and policy != OPTIONAL):
        raise ConfigError(
            "%s a request linked to TLS (challengePassword, RFC 7030 3.5), and this connection "
            'has no tls-unique (as in MicroPython and TLS 1.3); link "optional" sends it unlinked'
            % ("the server demands" if demanded else "the settings demand"),
            "csrattrs" if demanded else None,
        )
    return []


async def channel_binding(client):
    """Return the tls-unique (bytes; RFC 5929) of an est.Client's connection, or None.

    The connection is opened where there is none. None: the TLS stack gives none, as MicroPython's,
    or the connection speaks TLS 1.3.
    """
    await client._trusted()
    client._resume()
    if not (client._http and client._http.reusable):
        try:
            await client.connect()
        except EstError as error:
            await client.close()
            if error.step is None:
                error.step = "connect"
            raise
    return client.tls_unique


class Linked:
    """A request that is made anew for each TLS connection (RFC 7030 3.2.1, 4.2.3).

    To be given to est.Client.simpleenroll and simplereenroll in place of a request.
    der: the request that was made last (bytes), or None.
    """

    def __init__(self, client, make):
        """client: the est.Client. make: async function that makes the request (DER bytes), given
        the channel binding (bytes, or None) of the connection that will carry it."""
        self.der = None
        self._client = client
        self._make = make
        self._binding = None

    async def __call__(self):
        """Return the request (base64 lines, bytes) for the client's connection as it is now."""
        binding = self._client.tls_unique
        if self.der is None or binding != self._binding:
            self.der = await self._make(binding)
            self._binding = binding
        from base64_stream import encode_lines

        return encode_lines(self.der)
