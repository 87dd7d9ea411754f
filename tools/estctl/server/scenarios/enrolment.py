"""Certificates for devices with something about their chain (RFC 5280 6.1); TLS is in order.

The chain hangs below the true root, and /cacerts has it beside the root and the issuing CA.
"""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ObjectIdentifier

from estctl.server import certificates
from estctl.server.certificates import named
from estctl.server.scenarios import making
from estctl.server.scenarios.scene import Scenario, Scene, alone
from estctl.server.signing import Pair, Scheme, sign
from estctl.server.stage import Stage

PERMITTED = "permitted.example"
UNKNOWN = ObjectIdentifier("1.3.6.1.4.1.32473.1")  # of the arc for examples (RFC 5612)


def _rsa_pss(scene: Scene) -> Stage:
    return _signed_by_rsa(scene, Scheme.PSS)


def _weak_hash(scene: Scene) -> Stage:
    return _signed_by_rsa(scene, Scheme.SHA1)


def _signed_by_rsa(scene: Scene, scheme: Scheme) -> Stage:
    """Let a CA below another sign, so that a CA's and a device's certificate have the scheme."""
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    upper = making.ca("RSA CA", scene.authority.root, key=keys[0], scheme=scheme)
    return scene.enrolling(
        upper, making.ca("RSA issuing CA", upper, key=keys[1], path_length=0, scheme=scheme)
    )


def _intermediate_not_ca(scene: Scene) -> Stage:
    key, root = making.new_key(), scene.authority.root
    validity = certificates.lasting(certificates.ISSUING_DAYS, root)
    builder = certificates.end_entity(named("not a CA"), key.public_key(), root, validity)
    return scene.enrolling(Pair(sign(builder, root), key))


def _path_length(scene: Scene) -> Stage:
    upper = making.ca("CA above no other", scene.authority.root, path_length=0)
    return scene.enrolling(upper, making.ca("CA below it", upper))


def _name_constraints(scene: Scene) -> Stage:
    permitted = x509.NameConstraints([x509.DNSName(PERMITTED)], None)
    upper = making.ca("constrained CA", scene.authority.root, permitted)
    return scene.enrolling(upper, making.ca("CA below constraints", upper, path_length=0))


def _unknown_critical(scene: Scene) -> Stage:
    unknown = x509.UnrecognizedExtension(UNKNOWN, b"\x05\x00")
    root = scene.authority.root
    return scene.enrolling(making.ca("CA with an unknown extension", root, unknown, path_length=0))


def _weak_key(scene: Scene) -> Stage:
    key = rsa.generate_private_key(65537, 1024)
    return scene.enrolling(making.ca("weak CA", scene.authority.root, key=key, path_length=0))


def _loop(scene: Scene) -> Stage:
    first, second = making.root("loop CA 1"), making.root("loop CA 2")
    return scene.enrolling(
        making.ca(first.certificate.subject, second, key=first.key),
        making.ca(second.certificate.subject, first, key=second.key),
    )


SCENARIOS = (
    Scenario("rsa-pss", "devices' chain signed with RSASSA-PSS, SHA-256", alone(_rsa_pss)),
    Scenario(
        "intermediate-not-ca",
        "the CA that issues to devices has no CA flag",
        alone(_intermediate_not_ca),
    ),
    Scenario(
        "path-length",
        "the CA that issues to devices is below one with path length 0",
        alone(_path_length),
    ),
    Scenario(
        "name-constraints",
        f"a CA above devices permits DNS names in {PERMITTED} alone",
        alone(_name_constraints),
    ),
    Scenario(
        "unknown-critical",
        "the CA that issues to devices has an unknown critical extension",
        alone(_unknown_critical),
    ),
    Scenario("weak-key", "the CA that issues to devices has an RSA-1024 key", alone(_weak_key)),
    Scenario("weak-hash", "devices' chain signed with RSA and SHA-1", alone(_weak_hash)),
    Scenario(
        "loop",
        "the CAs of devices' chain certify each other and lead to no root",
        alone(_loop),
    ),
)
