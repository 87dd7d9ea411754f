"""Makes the key and the request where the server has wishes, or where a link to TLS can be had.

The plain request of a first boot needs none of this: devid makes that itself.
"""

import est_link
from heap import forget
from pki import csr, keys


async def make(client, settings, attributes, log, private=None):
    """Return (key as SEC 1 DER, request): DER bytes, or an est_link.Linked where TLS gives a link.

    client: the est.Client. settings: a devid.settings.Settings. attributes: what the server wants,
    a pki.csrattrs.CsrAttributes or None. log: function of one str. private: the key of a request
    that waits (SEC 1 DER), or None: a new one is made. Raises ConfigError and KeyFault
    where no request can be what the server demands; RFC 7030 3.5 and 4.5, RFC 9908.
    """
    binding = await est_link.channel_binding(client)
    link = est_link.attributes(binding, attributes, settings.link)  # before the key's seconds
    if private:
        key = await keys.load(private)
    else:
        log("key: generating P-256")
        key = await keys.generate()
    if attributes:
        from pki import csr_wishes

        for text in csr_wishes.unmet(attributes, await key.public_key()):
            log("csrattrs: the server lists %s; this device does without" % text)
        if attributes.wants_challenge_password and not link:
            log("csrattrs: the server wants the request linked to TLS, which is not possible")

    async def build(binding):
        return await csr.build(
            key,
            settings.subject,
            settings.san,
            settings.key_usage,
            settings.ext_key_usage,
            attributes,
            est_link.attributes(binding, attributes, settings.link),
        )

    if link:
        return await key.private_bytes(), est_link.Linked(client, build)
    request = await build(None)
    private = await key.private_bytes()
    forget("devid.request", "est_link", "pki.csr_template", "pki.csr_wishes", "pki.key_kind")
    return private, request
