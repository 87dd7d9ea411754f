"""TLS certificates that are wrong, or right in another way (RFC 7030 3.6); enrolment is in order.

Where the names are not the host's, id-kp-cmcRA (3.6.2) is there only if that is the subject.
"""

import dataclasses
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from estctl.server import stored
from estctl.server.certificates import TLS_USAGES, Validity, in_days
from estctl.server.scenarios import making
from estctl.server.scenarios.scene import Play, Scenario, Scene, alone
from estctl.server.signing import Pair, Scheme
from estctl.server.stage import Stage

OTHER, RA = "other.example", "ra.example"
_PLAIN = (ExtendedKeyUsageOID.SERVER_AUTH,)
_NO_LEVEL = "DEFAULT:@SECLEVEL=0"  # OpenSSL serves no weak key otherwise


def _with_leaf(scene: Scene, leaf: Pair, ciphers: str | None = None) -> Stage:
    """Return a stage with a TLS certificate of the issuing CA."""
    identity = scene.tls(leaf, scene.authority.issuing, ciphers=ciphers)
    return dataclasses.replace(scene.usual, tls=identity)


def _no_san(scene: Scene) -> Stage:
    return _with_leaf(scene, making.tls(scene.authority.issuing, (), scene.host, usages=_PLAIN))


def _wrong_host(scene: Scene) -> Stage:
    issuing = scene.authority.issuing
    return _with_leaf(scene, making.tls(issuing, [OTHER], OTHER, usages=_PLAIN))


def _expired(scene: Scene) -> Stage:
    return _lasting(scene, Validity(in_days(-32), in_days(-2)))


def _not_yet_valid(scene: Scene) -> Stage:
    return _lasting(scene, Validity(in_days(2), in_days(32)))


def _lasting(scene: Scene, validity: Validity) -> Stage:
    leaf = making.tls(scene.authority.issuing, scene.names, validity=validity)
    return _with_leaf(scene, leaf)


def _wrong_purpose(scene: Scene) -> Stage:
    usages = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    return _with_leaf(scene, making.tls(scene.authority.issuing, scene.names, usages=usages))


def _cmc_ra(scene: Scene) -> Stage:
    return _with_leaf(scene, making.tls(scene.authority.issuing, [RA], RA, usages=TLS_USAGES))


def _cmc_ra_cn(scene: Scene) -> Stage:
    return _with_leaf(scene, making.tls(scene.authority.issuing, (), RA, usages=TLS_USAGES))


def _weak_key_tls(scene: Scene) -> Stage:
    key = rsa.generate_private_key(65537, 1024)
    leaf = making.tls(scene.authority.issuing, scene.names, key=key)
    return _with_leaf(scene, leaf, ciphers=_NO_LEVEL)


def _weak_hash_tls(scene: Scene) -> Stage:
    key = rsa.generate_private_key(65537, 2048)
    issuing = making.ca(
        "SHA-1 TLS CA", scene.authority.root, key=key, path_length=0, scheme=Scheme.SHA1
    )
    identity = scene.tls(making.tls(issuing, scene.names), issuing, ciphers=_NO_LEVEL)
    return dataclasses.replace(scene.usual, tls=identity)


def _name_constraints_tls(scene: Scene) -> Stage:
    excluded = x509.NameConstraints(None, [_subtree(name) for name in scene.names])
    issuing = making.ca("constrained TLS CA", scene.authority.root, more=[excluded], path_length=0)
    identity = scene.tls(making.tls(issuing, scene.names), issuing)
    return dataclasses.replace(scene.usual, tls=identity)


def _subtree(name: str) -> x509.GeneralName:
    """Return what stands for a name in nameConstraints (RFC 5280 4.2.1.10)."""
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name.removeprefix("*."))


def _other_tls_ca(scene: Scene) -> Play:
    """Return a play with a web CA for TLS; its root is kept, since clients are told of it."""
    root = stored.load(scene.folder, "tls-root") or stored.save(
        scene.folder, "tls-root", making.root("web root CA")
    )
    issuing = making.ca("web issuing CA", root, path_length=0)
    identity = scene.tls(making.tls(issuing, scene.names, usages=_PLAIN), issuing)
    stage = dataclasses.replace(scene.usual, tls=identity)
    return Play((stage,), implicit=scene.folder / "tls-root.pem")


SCENARIOS = (
    Scenario(
        "other-tls-ca",
        "TLS by a web CA (tls-root.pem), /cacerts and enrolment by the EST CA",
        _other_tls_ca,
    ),
    Scenario("no-san", "TLS certificate with the host as CN, no subjectAltName", alone(_no_san)),
    Scenario("wrong-host", f"TLS certificate for {OTHER}", alone(_wrong_host)),
    Scenario("expired", "TLS certificate that has ended", alone(_expired)),
    Scenario("not-yet-valid", "TLS certificate that begins in two days", alone(_not_yet_valid)),
    Scenario("wrong-purpose", "TLS certificate for clients only", alone(_wrong_purpose)),
    Scenario("cmc-ra", f"TLS certificate for {RA}, with id-kp-cmcRA", alone(_cmc_ra)),
    Scenario(
        "cmc-ra-cn",
        f"the same with {RA} as CN and no subjectAltName",
        alone(_cmc_ra_cn),
    ),
    Scenario(
        "no-cmc-ra",
        "the counterpart of cmc-ra: another host and no id-kp-cmcRA, as wrong-host",
        alone(_wrong_host),
    ),
    Scenario("weak-key-tls", "TLS certificate with an RSA-1024 key", alone(_weak_key_tls)),
    Scenario("weak-hash-tls", "TLS certificate signed with RSA and SHA-1", alone(_weak_hash_tls)),
    Scenario(
        "name-constraints-tls",
        "the CA above TLS excludes the server's names, not critically",
        alone(_name_constraints_tls),
    ),
)
