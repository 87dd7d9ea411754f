"""What a request is to hold where the server has wishes, or where it can be linked to TLS.

The plain request of a first boot needs none of this. RFC 7030 3.5 and 4.5, RFC 9908.
"""

from micropython import const

_INFO = const(20)
_WARNING = const(30)


async def parts(client, settings, attributes, log, renewed=None):
    """Return (parts, linked): what csr.signed() takes beside the key, and None or a function.

    That function makes an est_link.Linked of a key: the connection can link requests. client: the
    est.Client. settings: a devid.settings.Settings. attributes: what the server wants, a
    pki.csrattrs.CsrAttributes or None. log: see est. renewed: (subject, extensions) of the
    certificate that is renewed, which then count instead of other names (RFC 7030 4.2.2). Raises
    ConfigError and KeyFault where no request can be what the server demands.
    """
    demanded = False
    if attributes:
        demanded = attributes.wants_challenge_password
        from pki import key_wishes

        for text in key_wishes.unmet(attributes):
            log(_INFO, "csrattrs: the server lists %s; this device does without" % text)
        if renewed:
            key_wishes.check(attributes, None)
        del key_wishes
    if renewed:
        template = attributes and attributes.template
        found = renewed + (template.attributes if template else [],)
    else:
        from pki import csr_parts

        found = csr_parts.parts(
            settings.subject, settings.san, settings.key_usage, settings.ext_key_usage, attributes
        )
        del csr_parts
    if not (demanded or settings.link or client.tls_unique):
        return found, None
    return found, await _linked(client, found, demanded, settings.link, log)


async def _linked(client, found, demanded, policy, log):
    import est_link

    binding = await est_link.channel_binding(client)
    if not est_link.attributes(binding, demanded, policy):
        log(_WARNING, "csrattrs: the request goes without the link to TLS, as the settings allow")
        return None

    def linked(key):
        async def make(binding):
            from pki import csr

            more = found[2] + est_link.attributes(binding, demanded, policy)
            return await csr.signed(key, found[0], found[1], more)

        return est_link.Linked(client, make)

    return linked
