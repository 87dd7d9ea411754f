"""Attackers: a CA with the true one's names and other keys, which takes all credentials.

What they issue is their own CA's. They accept the true CA's client certificates too.
"""

import dataclasses

from aiohttp import web

from estctl.server.messages import certs_only
from estctl.server.plain_http import PlainHttp
from estctl.server.scenarios import making
from estctl.server.scenarios.scene import Play, Scenario, Scene, alone, certificates_of
from estctl.server.signing import Pair
from estctl.server.stage import Credentials, Stage


def impostor(scene: Scene) -> tuple[Pair, Pair]:
    """Return a root and an issuing CA named as the true ones."""
    true = scene.authority
    root = making.root(true.root.certificate.subject)
    return root, making.ca(true.issuing.certificate.subject, root, path_length=0)


def under_attack(scene: Scene, issuing: Pair, *above: Pair) -> Stage:
    """Return a stage that takes all credentials and issues from another CA; TLS is untouched."""
    client_cas = scene.usual.client_cas + certificates_of(issuing, *above)
    taken = Credentials.TAKEN
    return dataclasses.replace(
        scene.usual, issuer=issuing, client_cas=client_cas, credentials=taken
    )


def _relay(scene: Scene) -> Stage:
    root, issuing = impostor(scene)
    identity = scene.tls(making.tls(issuing, scene.names), issuing)
    return dataclasses.replace(under_attack(scene, issuing, root), tls=identity)


def _provisional(scene: Scene) -> Stage:
    root, issuing = impostor(scene)
    identity = scene.tls(making.tls(issuing, scene.names), issuing)
    stage = under_attack(scene, issuing, root)
    return dataclasses.replace(stage, tls=identity, cacerts=certificates_of(root, issuing))


def _unverifiable(scene: Scene) -> Stage:
    root, issuing = impostor(scene)
    return dataclasses.replace(
        under_attack(scene, issuing, root),
        tls=scene.tls(making.self_signed_tls(scene.names)),
        cacerts=certificates_of(root, issuing),
        credentials=Credentials.TAKEN_FOR_ALL,
    )


def _redirect_cacerts(scene: Scene) -> Play:
    """Return a play that leads to plain HTTP, where an attacker's /cacerts would wait."""
    lure = certificates_of(*impostor(scene))

    async def cacerts(request: web.Request) -> web.Response:
        return certs_only(list(lure), "application/pkcs7-mime")

    plain = PlainHttp(scene.settings)
    location = plain.add("/.well-known/est/cacerts", cacerts)
    return Play((dataclasses.replace(scene.usual, cacerts_location=location),), plain=plain)


SCENARIOS = (
    Scenario(
        "mitm-provisional",
        "an attacker: TLS, /cacerts and enrolment by a CA named as the true one",
        alone(_provisional),
    ),
    Scenario(
        "mitm-relay",
        "an attacker who relays the true /cacerts, and enrols by a CA of its own",
        alone(_relay),
    ),
    Scenario(
        "unverifiable",
        "a self-signed TLS certificate, and a 401 before everything, /cacerts too",
        alone(_unverifiable),
    ),
    Scenario(
        "redirect-cacerts",
        "/cacerts leads to plain HTTP, where an attacker's certificates are",
        _redirect_cacerts,
    ),
)
