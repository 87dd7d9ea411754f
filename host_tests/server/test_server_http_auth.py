"""Digest and bearer tokens of the development server, and its 202, as curl finds them."""

import re
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def digest(servers, tmp_path_factory):
    return servers.start(tmp_path_factory.mktemp("digest"), "--auth", "digest")


def test_curl_enrols_by_digest(digest, desk):
    answer = digest.enroll(desk.request("/CN=x"), "--digest")
    # curl shows both answers: the challenge, and what came of its answer.
    assert answer.status == 401 and b"HTTP/1.1 200 OK" in answer.body, answer
    assert "POST /.well-known/est/simpleenroll 200 user device issued " in digest.log


def test_md5_is_offered_behind_the_better_one(digest):
    answer = digest.curl("simpleenroll", data=b"")
    assert answer.status == 401
    raw = digest.curl("simpleenroll", "--http1.1", data=b"")
    assert 'algorithm=MD5, nonce="' in raw.headers["www-authenticate"]  # the last of two lines


def by_hand(server, *parameters):
    header = "Authorization: Digest " + ", ".join(parameters)
    return server.curl("simpleenroll", "--header", header, data=b"x")


def test_what_is_wrong_with_a_digest_is_a_401_with_a_new_challenge(digest):
    answer = digest.enroll(b"x", "--digest", "--user", "device:Wr0ngSecret")
    assert b"HTTP/1.1 401" in answer.body and b"wrong user name or password" in answer.body
    for parameters, reason in (
        (['realm="EST"'], "for another URL"),
        (['algorithm="SHA-512"'], "not HTTP Digest with SHA-256 or MD5"),
        (['realm="EST"', 'uri="/other"'], "for another URL"),
        (
            ['realm="EST"', 'uri="/.well-known/est/simpleenroll"', 'username="device"'],
            "wrong user name or password",
        ),
        (
            [
                'realm="EST"',
                'uri="/.well-known/est/simpleenroll"',
                *(f'{name}="\udcff"' for name in ("username", "nonce", "response")),
            ],
            "wrong user name or password",
        ),
    ):
        answer = by_hand(digest, *parameters)
        assert answer.status == 401 and reason in answer.reason, answer
        assert answer.headers["www-authenticate"].startswith("Digest realm=")


def test_a_digest_sent_twice_is_stale(digest, tmp_path):
    options = ["--digest", "--verbose", "--stderr", tmp_path / "trace"]
    digest.enroll(b"x", *options)
    header = re.findall("> (Authorization: Digest .*)", (tmp_path / "trace").read_text())[-1]
    answer = digest.curl("simpleenroll", "--header", header.strip(), data=b"x")
    assert answer.status == 401 and "stale=true" in answer.headers["www-authenticate"]


def test_a_token_is_what_the_password_file_holds(start, desk):
    server = start("--auth", "bearer")
    token = Path(str(server.facts["password_file"])).read_text().strip()
    csr = desk.request("/CN=x")
    assert (
        server.curl("simpleenroll", data=csr).headers["www-authenticate"] == 'Bearer realm="EST"'
    )
    wrong = server.curl("simpleenroll", "--header", "Authorization: Bearer wrong", data=csr)
    assert wrong.status == 401 and wrong.reason == "wrong token\n"
    wrong = server.curl("simpleenroll", "--header", "Authorization: Bearer \udcff", data=csr)
    assert wrong.status == 401 and "Traceback" not in server.log
    right = server.curl("simpleenroll", "--header", f"Authorization: bearer {token}", data=csr)
    assert right.status == 200 and token not in server.log


def test_each_request_has_to_wait_as_often_as_was_said(start, desk):
    server = start("--not-yet", "2", "--retry-after", "7")
    first, second = desk.request("/CN=a"), desk.request("/CN=b")
    for request in (first, second, first):
        answer = server.enroll(request)
        assert answer.status == 202 and answer.headers["retry-after"] == "7"
    assert server.enroll(first).status == 200
    assert server.enroll(second).status == 202
    assert "202 user device waits for approval (2 of 2)" in server.log


def test_a_202_need_not_say_how_long(start, desk):
    server = start("--not-yet", "1", "--retry-after", "-1")
    answer = server.enroll(desk.request("/CN=a"))
    assert answer.status == 202 and "retry-after" not in answer.headers
