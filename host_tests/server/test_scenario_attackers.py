"""Attackers: what they show, what they take, what they issue; and roots that are not to be had."""

import http.client
import urllib.request

import pytest
from cryptography import x509
from outside import (
    anchor,
    enrolled,
    journal,
    listed,
    loaded,
    path_failure,
    served_chain,
    signed_by,
)

ATTACKERS = [
    "mitm-provisional",
    "mitm-relay",
    "unverifiable",
    "forged-key-update",
    "unlinked-root",
]


def true_cas(server):
    return {anchor(server), loaded(server.issuing)}


@pytest.mark.parametrize("name", ATTACKERS)
class TestEveryAttacker:
    def test_asks_for_credentials(self, role, desk, name):
        answer = role(name).curl("simpleenroll", "--insecure", data=desk.request("/CN=x"))
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic ")

    @pytest.mark.parametrize(
        "header", ["Basic eDp5", "Basic !", "Bearer x", 'Digest username="x"']
    )
    def test_takes_whatever_they_are(self, role, desk, name, header):
        server = role(name)
        options = ["--insecure", "--header", f"Authorization: {header}"]
        answer = server.curl("simpleenroll", *options, data=desk.request("/CN=x"))
        assert answer.status == 200
        last = journal(server)[-1]
        assert last["authorization"] and last["status"] == 200
        assert header not in (server.folder / "requests.jsonl").read_text() + server.log

    def test_takes_certificates_of_the_true_ca_and_issues_its_own(
        self, servers, role, desk, tmp_path, name
    ):
        true = servers.start(tmp_path / "server")
        mine = desk.enrolled(true, "/CN=pump")
        assert true.stop() == 0
        server = servers.start(tmp_path / "server", "--scenario", name)
        answer = server.curl("simplereenroll", "--insecure", *mine, data=desk.request("/CN=pump"))
        assert answer.status == 200
        (path,) = desk.certificates(answer)
        assert not any(signed_by(loaded(path), ca) for ca in true_cas(server))


def test_the_impostor_has_the_true_names_and_other_keys(role, desk):
    server = role("mitm-provisional")
    shown = listed(server, desk)
    true = true_cas(server)
    assert {ca.subject for ca in shown} == {ca.subject for ca in true}
    assert not any(ca.public_key() == own.public_key() for ca in shown for own in true)
    # By itself it is all in order.
    (root,) = [ca for ca in shown if ca.subject == ca.issuer]
    assert path_failure(desk, root, shown, enrolled(server, desk)) is None
    assert path_failure(desk, root, shown, served_chain(server)[0]) is None


def test_the_relay_shows_the_true_ca_over_its_own_tls(role, desk):
    server = role("mitm-relay")
    assert set(listed(server, desk)) == true_cas(server)
    assert served_chain(server)[1].subject == loaded(server.issuing).subject
    assert not any(signed_by(served_chain(server)[1], ca) for ca in true_cas(server))


def test_an_unverifiable_server_wants_credentials_for_everything(role):
    server = role("unverifiable")
    (leaf,) = served_chain(server)
    assert leaf.subject == leaf.issuer
    for path in ("cacerts", "csrattrs", "simpleenroll"):
        answer = server.curl(path, "--insecure", data=b"x" if path == "simpleenroll" else None)
        assert answer.status == 401 and "Basic" in answer.headers["www-authenticate"], path


def test_cacerts_leads_to_plain_http_where_an_impostor_waits(role, desk):
    server = role("redirect-cacerts")
    answer = server.curl("cacerts")
    location = answer.headers["location"]
    assert answer.status == 302 and location.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(location) as found:
        assert found.status == http.client.OK
    last = journal(server)[-1]
    assert last["connection"] is None and last["path"] == "/.well-known/est/cacerts"


class TestRoots:
    def added(self, role, desk, name):
        """Return the root, and what /cacerts has beside it and its issuing CA."""
        server = role(name)
        shown = set(listed(server, desk))
        assert true_cas(server) < shown
        return anchor(server), shown - true_cas(server)

    def test_a_forged_new_with_old_names_the_old_key_and_has_not_its_signature(self, role, desk):
        old, added = self.added(role, desk, "forged-key-update")
        (new,) = [ca for ca in added if signed_by(ca, ca) and ca.subject == old.subject]
        (forged,) = [ca for ca in added - {new} if ca.public_key() == new.public_key()]
        assert forged.subject == forged.issuer == old.subject
        key_id = x509.SubjectKeyIdentifier.from_public_key(old.public_key()).digest
        named = forged.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert named.key_identifier == key_id
        assert not signed_by(forged, old) and not signed_by(forged, new)
        # The other direction needs the new key alone, which the forger has.
        (old_with_new,) = [ca for ca in added if ca.public_key() == old.public_key()]
        assert signed_by(old_with_new, new)

    def test_an_unlinked_root_has_the_name_and_nothing_from_the_old_key(self, role, desk):
        old, added = self.added(role, desk, "unlinked-root")
        (new,) = [ca for ca in added if ca.subject == old.subject]
        assert signed_by(new, new) and new.public_key() != old.public_key()
        assert not any(signed_by(ca, old) for ca in added)

    def test_a_stranger_has_another_name(self, role, desk):
        old, added = self.added(role, desk, "stranger-root")
        (stranger,) = added
        assert signed_by(stranger, stranger) and stranger.subject != old.subject
