"""The command `fullcmc`: enrolment by Full CMC (RFC 7030 4.3)."""

from collections.abc import Awaitable
from typing import Any

import est_link
from pki import cmc, csr_parts, oid
from pki import csr as requests

from estctl import enrollment, keeping, options, output
from estctl.host_key import HostKey


def fullcmc(
    url: options.Url,
    anchors: options.Anchors = None,
    fingerprint: options.Fingerprint = None,
    system_trust: options.SystemTrust = False,
    revocation: options.Revocation = options.Policy.OFF,
    user: options.User = None,
    password_file: options.PasswordFile = None,
    cert: options.Cert = None,
    key: options.Key = None,
    p12: options.P12 = None,
    p12_password_file: options.P12PasswordFile = None,
    token_file: options.TokenFile = None,
    token_at_once: options.TokenAtOnce = False,
    psk_identity: options.PskIdentity = None,
    psk_key_file: options.PskKeyFile = None,
    allow_redirect: options.AllowRedirect = None,
    pending_key: options.PendingKey = None,
    subject: options.Subject = None,
    san: options.San = None,
    out_cert: options.OutCert = None,
    out_key: options.OutKey = None,
    force: options.Force = False,
    out_ca: options.OutCa = None,
    max_wait: options.MaxWait = 0,
    link: options.Link = options.LinkPolicy.DEMANDED,
    original_spec: options.OriginalSpec = False,
    as_json: options.Json = False,
) -> None:
    """Enrol a new key by Full CMC (RFC 7030 4.3); --cert and --key also sign the message."""
    given = locals()

    async def work() -> dict[str, Any]:
        keeping.check(given, makes_key=pending_key is None)
        name, names = options.names(subject, san)
        whom = options.trust(anchors, fingerprint, system_trust, revocation, psk_identity)
        who = options.credential(
            user,
            password_file,
            cert,
            key,
            p12,
            p12_password_file,
            token_file,
            token_at_once,
            psk_identity,
            psk_key_file,
        )
        own_key = keeping.key_of(pending_key)
        made = keeping.NewKey(own_key, out_key) if out_key and not pending_key else None
        signer = HostKey.load(who.key) if who.key is not None else own_key
        log = output.progress(as_json)
        async with options.client(url, whom, who, log, original_spec, allow_redirect) as client:
            await client.cacerts()
            attributes = await client.csrattrs()
            public = await own_key.public_key()
            parts = (name, names, (), (), attributes, public)
            whole, extensions, wanted = csr_parts.parts(*parts)
            if all(kind != oid.SUBJECT_KEY_IDENTIFIER for kind, _ in extensions):
                extensions.append(cmc.identified(public))
            demanded = attributes is not None and attributes.wants_challenge_password

            def make(binding: bytes | None) -> Awaitable[bytes]:
                more = [*wanted, *est_link.attributes(binding, demanded, link.policy)]
                return requests.signed(own_key, whole, extensions, more)  # type: ignore[no-any-return]

            request = await enrollment.linked(client, make)
            issued = await enrollment.patiently(
                lambda: client.fullcmc(request, signer, who.certificate), max_wait, as_json, made
            )
        found = await enrollment.written(client, issued, own_key, out_cert, out_key, out_ca)
        return {**found, "signed_by": "certificate" if who.certificate else "own key"}

    enrollment.run(work(), as_json, "Enrolled by Full CMC")
