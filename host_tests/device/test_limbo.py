"""pki.path and pki.server_name in each interpreter against x509-limbo (C2SP).

All of tier "core" and "strict" give limbo's result, with strict=True. The disputed ones, decided:
- validity::notafter-exact and notafter-fractional: notAfter is the last valid second (RFC 5280
  4.1.2.5 includes it), and our clock counts whole seconds: accepted, as limbo has it.
- root-and-intermediate-swapped: the anchor is what the caller trusts, wherever else it stands:
  accepted, as limbo has it.
"""

import datetime
import json
import ssl
from pathlib import Path

import pytest
from signing import count

FILE = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "x509-limbo" / "rfc5280.json"
SERVER_AUTH = "2b06010505070301"
NOW = int(datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc).timestamp())


def der(pem):
    return ssl.PEM_cert_to_DER_cert(pem).hex()


def wish(case):
    when = case["validation_time"]
    now = NOW if when is None else int(datetime.datetime.fromisoformat(when).timestamp())
    return {
        "do": "path",
        "leaf": der(case["peer_certificate"]),
        "pool": [der(pem) for pem in case["untrusted_intermediates"]],
        "anchors": [der(pem) for pem in case["trusted_certs"]],
        "now": now,
        "purpose": SERVER_AUTH,
        "strict": True,
        "host": case["expected_peer_name"]["value"],
    }


def test_every_case(device, tally):
    if not FILE.exists():
        pytest.skip("../shared/vectors/x509-limbo is not here")
    cases = json.loads(FILE.read_text())["testcases"]
    answers = device.pki(*map(wish, cases))
    expected = {case["id"]: case["expected_result"] == "SUCCESS" for case in cases}
    found = {name: "ok" in answer for name, answer in zip(expected, answers, strict=True)}
    assert found == expected
    assert len(found) == 38
    count(tally, answers)
    assert tally.nothing_lost()


def test_the_lenient_rules_take_what_private_roots_do(device):
    if not FILE.exists():
        pytest.skip("../shared/vectors/x509-limbo is not here")
    cases = {case["id"]: case for case in json.loads(FILE.read_text())["testcases"]}
    names = ("rfc5280::ski::root-missing-ski", "rfc5280::root-non-critical-basic-constraints")
    wishes = [{**wish(cases[name]), "strict": False} for name in names]
    assert device.pki(*wishes) == [{"ok": 1}, {"ok": 1}]
