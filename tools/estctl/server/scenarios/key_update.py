"""The root gets a new key (RFC 7030 4.1.3, RFC 4210 4.4); and what only looks like it.

RFC 4210's names: OldWithOld is the old root; OldWithNew is its key signed by the new one,
NewWithOld the new key signed by the old one; NewWithNew is the new root. All have one name.
"""

import dataclasses

from estctl.server import certificates, stored
from estctl.server.generations import NAME, new_with_old, old_with_new
from estctl.server.scenarios import making
from estctl.server.scenarios.attackers import under_attack
from estctl.server.scenarios.scene import Play, Scenario, Scene, alone, certificates_of
from estctl.server.signing import Pair
from estctl.server.stage import Stage

_PHASES = (
    "the old CA alone, and its root ends in less than a month",
    "the new root is there: /cacerts lists OldWithOld, OldWithNew, NewWithOld, NewWithNew and both"
    " issuing CAs; the new one issues; TLS sends its certificate, the new issuing CA, NewWithOld",
    "the old CA is gone: /cacerts lists the new root and the new issuing CA; TLS sends its"
    " certificate and the new issuing CA; devices with an old certificate may still renew it",
)


def _rollover(scene: Scene) -> Play:
    old, old_issuing = scene.authority.root, scene.authority.issuing
    new, new_issuing = _successors(scene)
    link = new_with_old(new, old)
    leaf = making.tls(new_issuing, scene.names)
    # One set for all phases: TLS is told once whose certificates devices may have.
    client_cas = certificates_of(old, old_issuing, new, new_issuing)
    before = dataclasses.replace(scene.usual, client_cas=client_cas, text=_PHASES[0])
    during = dataclasses.replace(
        before,
        tls=scene.tls(leaf, new_issuing, link, phase=1),
        cacerts=certificates_of(old, old_with_new(old, new), link, new, old_issuing, new_issuing),
        issuer=new_issuing,
        text=_PHASES[1],
    )
    after = dataclasses.replace(
        during,
        tls=scene.tls(leaf, new_issuing, phase=2),
        cacerts=certificates_of(new, new_issuing),
        text=_PHASES[2],
    )
    return Play((before, during, after))


def _successors(scene: Scene) -> tuple[Pair, Pair]:
    """Return the new root and its issuing CA, which are kept as the old ones are."""
    old, where = scene.authority.root, scene.authority.folder
    kind = certificates.kind_of(old.key)
    root = stored.load(where, "new-root") or stored.save(
        where, "new-root", making.root(old.certificate.subject, certificates.new_key(kind))
    )
    issuing = stored.load(where, "new-issuing") or stored.save(
        where,
        "new-issuing",
        making.ca(f"{NAME} issuing CA 2", root, key=certificates.new_key(kind), path_length=0),
    )
    return root, issuing


def _forged(scene: Scene) -> Stage:
    """Return a stage of a compromised RA: TLS is true, but the old key signed nothing new."""
    old = scene.authority.root
    new, issuing = _pretenders(scene)
    # It names the old key (authorityKeyIdentifier), but another signs.
    forger = Pair(old.certificate, making.key_like(old.key))
    shown = (old_with_new(old, new), new_with_old(new, forger), new, issuing)
    return _claiming(scene, new, issuing, *shown)


def _unlinked(scene: Scene) -> Stage:
    new, issuing = _pretenders(scene)
    return _claiming(scene, new, issuing, new, issuing)


def _pretenders(scene: Scene) -> tuple[Pair, Pair]:
    root = making.root(scene.authority.root.certificate.subject)
    return root, making.ca(f"{NAME} issuing CA 2", root, path_length=0)


def _claiming(scene: Scene, new: Pair, issuing: Pair, *shown: Pair) -> Stage:
    stage = under_attack(scene, issuing, new)
    return dataclasses.replace(stage, cacerts=stage.cacerts + certificates_of(*shown))


def _stranger(scene: Scene) -> Stage:
    return scene.listing(making.root("stranger root CA").certificate)


SCENARIOS = (
    Scenario(
        "rollover",
        "the root gets a new key, in three phases; SIGUSR1 goes to the next",
        _rollover,
        aged=True,
    ),
    Scenario(
        "forged-key-update",
        "a compromised RA: a new root whose NewWithOld the old key has not signed",
        alone(_forged),
    ),
    Scenario(
        "unlinked-root",
        "the same with a new root of the old one's name and no NewWithOld",
        alone(_unlinked),
    ),
    Scenario(
        "stranger-root",
        "/cacerts has a root of another name beside the true ones",
        alone(_stranger),
    ),
)
