"""Each scenario plays what its name says, and only that; chains; what is noted of requests."""

import json
import os
import signal
import subprocess
import sys

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID
from estctl.server.scenarios import CATALOGUE
from outside import (
    anchor,
    enrolled,
    journal,
    listed,
    loaded,
    path_failure,
    path_length,
    served_chain,
    tls_failure,
    wait_for,
)

CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")
# What Python's TLS says of each TLS certificate that is not to be trusted.
BAD_TLS = {
    "other-tls-ca": "unable to get local issuer certificate",
    "no-san": "IP address mismatch",
    "wrong-host": "IP address mismatch",
    "cmc-ra": "IP address mismatch",
    "cmc-ra-cn": "IP address mismatch",
    "no-cmc-ra": "IP address mismatch",
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "wrong-purpose": "unsuitable certificate purpose",
    "weak-key-tls": "EE certificate key too weak",
    "weak-hash-tls": "CA signature digest algorithm too weak",
    "name-constraints-tls": "excluded subtree violation",
    "mitm-provisional": "unable to get local issuer certificate",
    "mitm-relay": "unable to get local issuer certificate",
    "unverifiable": "self-signed certificate",
}
# What OpenSSL says of each device certificate that is not to be accepted.
BAD_ENROLMENT = {
    "intermediate-not-ca": "invalid CA certificate",
    "path-length": "path length constraint exceeded",
    "name-constraints": "permitted subtree violation",
    "unknown-critical": "unhandled critical extension",
    "weak-key": "CA certificate key too weak",
    "weak-hash": "CA signature digest algorithm too weak",
    "loop": "unable to get local issuer certificate",
    "mitm-provisional": "self-signed certificate in certificate chain",
    "mitm-relay": "unable to get local issuer certificate",
    "unverifiable": "self-signed certificate in certificate chain",
    # The forged NewWithOld or the new root itself, whichever OpenSSL comes to first.
    "forged-key-update": "at 2 depth lookup: ",
    "unlinked-root": "self-signed certificate in certificate chain",
}


@pytest.mark.parametrize("name", CATALOGUE)
class TestEveryScenario:
    def test_tls_is_good_or_as_bad_as_said(self, role, name):
        failure = tls_failure(role(name), role(name).facts["anchors"])
        assert (failure is not None) == (name in BAD_TLS), failure
        assert failure is None or BAD_TLS[name] in failure

    def test_devices_certificates_are_good_or_as_bad_as_said(self, role, desk, name):
        server = role(name)
        certificate = enrolled(server, desk)
        redirects = name == "redirect-cacerts"
        between = [loaded(server.issuing)] if redirects else listed(server, desk)
        failure = path_failure(desk, anchor(server), between, certificate)
        assert (failure is not None) == (name in BAD_ENROLMENT), failure
        assert failure is None or BAD_ENROLMENT[name] in failure

    def test_the_json_line_says_how_a_device_is_configured(self, role, name):
        facts = role(name).facts
        extra = {
            "scenario",
            "requests",
            *(["implicit", "trust"] if name == "other-tls-ca" else []),
        }
        usual = {"url", "fingerprint", "anchors", "user", "password_file", "pid"}
        assert set(facts) == usual | extra and facts["scenario"] == name
        assert anchor(role(name)).fingerprint(SHA256()).hex() == facts["fingerprint"]
        assert f" scenario {name}: " in role(name).log


class TestChains:
    @pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048"])
    @pytest.mark.parametrize("length", [1, 2, 3, 4])
    def test_so_many_cas_above_tls_and_devices(self, role, start, desk, length, kind):
        name = f"chain-{length}"
        server = role(name) if kind == "p256" else start("--scenario", name, "--ca-key", kind)
        cas, leaf = listed(server, desk), served_chain(server)[0]
        assert len(cas) == length
        assert path_length(desk, anchor(server), cas, enrolled(server, desk)) == length
        assert path_length(desk, anchor(server), served_chain(server)[1:], leaf) == length
        # OpenSSL adds the root by itself where nothing is between.
        assert len(served_chain(server)) == max(length, 2)

    def test_devices_below_three_cas_renew(self, role, desk):
        server = role("chain-4")
        mine = desk.enrolled(server, "/CN=renewing")
        answer = server.curl("simplereenroll", *mine, data=desk.request("/CN=renewing"))
        assert answer.status == 200, answer

    @pytest.mark.parametrize(
        ("name", "algorithm"),
        [
            ("rsa-pss", SignatureAlgorithmOID.RSASSA_PSS),
            ("weak-hash", SignatureAlgorithmOID.RSA_WITH_SHA1),
        ],
    )
    def test_an_algorithm_signs_a_ca_and_devices(self, role, desk, name, algorithm):
        server = role(name)
        certificate, cas = enrolled(server, desk), listed(server, desk)
        assert certificate.signature_algorithm_oid == algorithm
        assert [ca.signature_algorithm_oid for ca in cas].count(algorithm) == 1
        # Nothing is wrong but its strength.
        assert path_failure(desk, anchor(server), cas, certificate, "-auth_level", "0") is None

    def test_permitted_names_are_in_order(self, role, desk):
        server = role("name-constraints")
        certificate = enrolled(server, desk, name="pump.permitted.example")
        assert path_failure(desk, anchor(server), listed(server, desk), certificate) is None

    def test_a_weak_key_is_the_issuing_cas(self, role, desk):
        weak = [
            ca
            for ca in listed(role("weak-key"), desk)
            if isinstance(ca.public_key(), rsa.RSAPublicKey) and ca.public_key().key_size == 1024
        ]
        assert [ca.subject for ca in weak] == [enrolled(role("weak-key"), desk).issuer]

    def test_the_loops_cas_sign_each_other(self, role, desk):
        true = anchor(role("loop"))
        loop = [ca for ca in listed(role("loop"), desk) if ca.issuer != true.subject]
        assert len(loop) == 2 and {ca.subject for ca in loop} == {ca.issuer for ca in loop}
        for one, other in (loop, reversed(loop)):
            assert one.verify_directly_issued_by(other) is None and one.subject != one.issuer

    def test_the_wide_bag_has_64_certificates_of_others(self, role, desk):
        server = role("wide-bag")
        true = {anchor(server), loaded(server.issuing)}
        bag = set(listed(server, desk))
        assert true < bag and len(bag - true) == 64
        names = {ca.subject for ca in true}
        assert not any({ca.subject, ca.issuer} & names for ca in bag - true)
        assert sum(ca.subject == ca.issuer for ca in bag - true) == 32


class TestTls:
    def purposes(self, role, name):
        found = served_chain(role(name))[0].extensions
        return list(found.get_extension_for_class(x509.ExtendedKeyUsage).value)

    @pytest.mark.parametrize("name", ["no-san", "wrong-host", "no-cmc-ra", "other-tls-ca"])
    def test_no_ra_where_the_name_is_wrong(self, role, name):
        assert self.purposes(role, name) == [ExtendedKeyUsageOID.SERVER_AUTH]

    def test_a_certificate_for_clients_only(self, role):
        assert self.purposes(role, "wrong-purpose") == [ExtendedKeyUsageOID.CLIENT_AUTH]

    @pytest.mark.parametrize(
        ("name", "common_name", "san"),
        [
            ("no-san", "127.0.0.1", None),
            ("cmc-ra", "ra.example", ["ra.example"]),
            ("cmc-ra-cn", "ra.example", None),
            ("wrong-host", "other.example", ["other.example"]),
        ],
    )
    def test_names_that_are_not_the_hosts(self, role, name, common_name, san):
        leaf = served_chain(role(name))[0]
        assert leaf.subject.rfc4514_string() == f"CN={common_name}"
        found = [
            extension.value.get_values_for_type(x509.DNSName)
            for extension in leaf.extensions
            if isinstance(extension.value, x509.SubjectAlternativeName)
        ]
        assert found == ([san] if san else [])
        if name.startswith("cmc-ra"):
            assert self.purposes(role, name) == [ExtendedKeyUsageOID.SERVER_AUTH, CMC_RA]

    def test_constraints_that_are_not_critical(self, role):
        issuing = served_chain(role("name-constraints-tls"))[1]
        assert not issuing.extensions.get_extension_for_class(x509.NameConstraints).critical

    def test_the_web_ca_is_kept_and_verifies(self, servers, tmp_path):
        first = servers.start(tmp_path / "server", "--scenario", "other-tls-ca")
        kept = loaded(first.facts["implicit"])
        assert tls_failure(first, first.facts["implicit"]) is None
        assert first.stop() == 0
        second = servers.start(tmp_path / "server", "--scenario", "other-tls-ca")
        assert loaded(second.facts["implicit"]) == kept != anchor(second)


class TestRequests:
    def test_a_line_for_each_request_and_each_client_certificate(self, start, desk):
        server = start("--scenario", "chain-2")
        mine = desk.enrolled(server, "/CN=pump")
        server.curl("csrattrs")
        assert server.curl("simplereenroll", *mine, data=b"").status == 400
        at = "/.well-known/est/"
        lines = [
            (1, "POST", at + "simpleenroll", True, False, 200),
            (2, "GET", at + "csrattrs", False, False, 204),
            (3, None, None, False, True, None),
            (3, "POST", at + "simplereenroll", False, True, 400),
        ]
        names = ("connection", "method", "path", "authorization", "client_certificate", "status")
        assert journal(server) == [
            {"scenario": "chain-2", **dict(zip(names, line, strict=True))} for line in lines
        ]

    def test_who_does_not_trust_the_server_asks_nothing(self, start):
        server = start("--scenario", "expired")
        assert tls_failure(server, server.facts["anchors"]) and journal(server) == []

    def test_no_secret_is_noted(self, role, desk):
        server = role("unverifiable")
        listed(server, desk)
        (_, secret) = server.login.read_text().split('"')[1].split(":")
        assert any(line["authorization"] for line in journal(server))
        with open(server.facts["requests"]) as file:
            assert secret not in file.read() + server.log

    def test_nothing_is_noted_without_a_scenario(self, server):
        server.curl("cacerts")
        assert not (server.folder / "requests.jsonl").exists()


class TestCommand:
    def test_an_unknown_name(self, refused):
        status, text = refused("--scenario", "chain-5")
        assert status == 2 and text.count("\n") == 1 and "'chain-5'" in text
        assert all(name in text for name in CATALOGUE)

    def test_the_list_has_a_line_each(self):
        command = [sys.executable, "-m", "estctl.server", "--list-scenarios"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        assert done.returncode == 0 and [line.split()[0] for line in lines] == list(CATALOGUE)
        assert all(len(line.split()) > 3 and len(line) < 99 for line in lines)

    def test_another_signal_changes_nothing_where_there_is_one_phase(self, role):
        server = role("chain-1")
        os.kill(server.process.pid, signal.SIGUSR1)
        wait_for(server, "phase 0 is the last one: no change")
        assert tls_failure(server, server.facts["anchors"]) is None

    def test_the_true_ca_is_the_same_before_during_and_after(self, servers, tmp_path):
        facts = []
        for options in ([], ["--scenario", "mitm-provisional"], []):
            server = servers.start(tmp_path / "server", *options)
            facts.append((server.facts["fingerprint"], anchor(server), loaded(server.issuing)))
            assert server.stop() == 0
        assert facts[0] == facts[1] == facts[2]
        assert json.loads(server.line).keys() == {
            "url", "fingerprint", "anchors", "user", "password_file", "pid"
        }  # fmt: skip
