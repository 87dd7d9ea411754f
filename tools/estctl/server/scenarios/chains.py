"""Chains of one to four CAs, and a /cacerts full of what belongs to none; all is in order."""

import dataclasses
from collections.abc import Iterator

from cryptography import x509

from estctl.server import certificates
from estctl.server.scenarios import making
from estctl.server.scenarios.scene import Scenario, Scene, alone, certificates_of
from estctl.server.signing import Pair
from estctl.server.stage import Stage

_UNRELATED = 64


def _chain(scene: Scene, length: int) -> Stage:
    """Return a stage with so many CAs, the true root among them, above TLS and devices."""
    root = scene.authority.root
    kind = certificates.kind_of(root.key)
    cas = [root]
    for below in reversed(range(length - 1)):
        key = certificates.new_key(kind)
        name = f"CA {length - below} of {length}"
        cas.append(making.ca(name, cas[-1], key=key, path_length=below))
    leaf = making.tls(cas[-1], scene.names)
    known = certificates_of(*cas)
    return dataclasses.replace(
        scene.usual,
        tls=scene.tls(leaf, *reversed(cas[1:])),
        issuer=cas[-1],
        cacerts=known,
        client_cas=known,
    )


def _of_length(length: int) -> Scenario:
    above = ["", "the root", "root and issuing CA"]
    meaning = above[length] if length < 3 else f"the root and {length - 1} CAs below it"
    return Scenario(
        f"chain-{length}",
        f"{meaning} above the certificates of TLS and devices",
        alone(lambda scene: _chain(scene, length)),
    )


def _wide_bag(scene: Scene) -> Stage:
    return scene.listing(*_unrelated())


def _unrelated() -> Iterator[x509.Certificate]:
    """Yield 32 self-signed CAs, and each of them signed by its neighbour."""
    roots = [making.root(f"unrelated CA {number}") for number in range(_UNRELATED // 2)]
    for index, pair in enumerate(roots):
        yield pair.certificate
        neighbour: Pair = roots[index - 1]
        yield making.ca(pair.certificate.subject, neighbour, key=pair.key).certificate


SCENARIOS = (
    *(_of_length(length) for length in (1, 2, 3, 4)),
    Scenario(
        "wide-bag",
        f"/cacerts has {_UNRELATED} unrelated certificates beside the true ones",
        alone(_wide_bag),
    ),
)
