import asyncio
import json
import os

import unix_time
from checks import araises, raises, vector
from devid import DeviceIdentity
from devid.settings import parse
from est_errors import ConfigError, EstError, NetworkError, StorageError, TrustError
from heap import forget

VALID, EXPIRED = "rfc9148/enroll.p7.der", "rfc7030/cacerts.p7.der"
CODE = {"user": "device", "password": "S3cret"}


def identity(folder, log=None, **more):
    values = {"url": "https://h", "trust": {"fingerprint": "ab"}, "subject": "CN=x"}
    values["storage"] = folder
    values["ntp"] = False
    values.update(more)
    return DeviceIdentity(parse(values), log=log)


def certificates(file):
    from pki import cms

    return cms.certificates(vector(file), 8)


def stored(folder, file=VALID):
    from devid import record
    from devid.store import IDENTITY, Store

    certificate = certificates(file)[0]
    found = record.Record(b"key", certificate, [certificate])
    Store(folder).commit({IDENTITY: record.parts(found)})


async def next_step(device, path):
    """Have a DeviceIdentity look what is due, with a one-time code in the settings file at path;
    return whether the code is there still."""
    from devid import next_step

    with open(path, "w") as file:  # noqa: ASYNC230
        json.dump({"credential": CODE}, file)
    device._settings.path = path
    step = await next_step.choose(device, False)
    if step:
        step.close()
    with open(path) as file:  # noqa: ASYNC230
        return "S3cret" in file.read()


def test_before_the_first_enrolment():
    found = identity("test_identity_a")
    status = found.status()
    assert status["state"] == "unconfigured" and status["next"]["action"] == "enroll"
    assert not status["enrolled"] and status["trust"]["store"] == "pinned"
    assert "ensure()" in str(raises(ConfigError, found.ssl_context))


def test_the_status_of_a_stored_identity_needs_no_network():
    stored("test_identity_b")
    # As on a board: what has served leaves the heap, here a 64-bit one with the compiler in it.
    forget("pki.cms", "devid.record", "devid.settings", "devid.store")
    status = identity("test_identity_b").status()
    assert status["state"] == "enrolled" and status["next"]["action"] == "refresh"
    assert status["last_error"] is None
    assert status["enrolled"] and status["subject"].endswith("serialNumber=Wt1234")
    assert status["issuer"].endswith("CN=802.1AR CA") and status["not_after"] == 253402300799
    assert len(status["fingerprint"]) == 64 and "key" not in status
    assert status["chain"] == [status["subject"]] and status["chain_sent"] in (True, False)


async def test_a_one_time_code_is_erased_once_the_certificate_stands():
    stored("test_identity_c")
    device = identity("test_identity_c", credential=CODE)
    assert not await next_step(device, "test_identity_c.json") and not device._settings.password


async def test_a_new_one_time_code_for_an_expired_device_stays_until_it_has_served():
    stored("test_identity_d", EXPIRED)
    device = identity("test_identity_d", credential=CODE)
    assert await next_step(device, "test_identity_d.json") and device._settings.password


async def test_a_code_that_cannot_be_erased_stops_no_renewal():
    stored("test_identity_e")
    log = []
    device = identity("test_identity_e", lambda *line: log.append(line), credential=CODE)
    os.mkdir("test_identity_e.json.new")  # in the place of the file that is to be written first
    assert await next_step(device, "test_identity_e.json")
    (line,) = [text for level, text in log if level == 40]
    assert "cannot be erased" in line and "cannot be erased" in device.status()["last_error"]


class Verified:
    """An est.Client whose server has been verified."""

    verified = True
    anchors = []
    authorities = []
    authorised = ("explicit", "name")


def test_a_clock_that_was_set_replaces_a_time_that_a_wrong_one_had_kept():
    from devid import session

    device = identity("test_identity_f")
    real, day = unix_time.now, 86400
    now = start = real()
    unix_time.now = lambda: now
    try:
        # Within a day nothing is written.
        for now, kept in ((start, 0), (start + day, 0), (start + 9 * day, 9), (start, 0)):
            session.keep_trust(device, Verified)
            assert device._store().load_time() == start + kept * day, (now, kept)
        device.clock_assumed = True
        for now in (start + 9 * day, start - 9 * day):
            session.keep_trust(device, Verified)
            assert device._store().load_time() == start, now
    finally:
        unix_time.now = real


async def test_what_fails_after_a_commit_does_not_hide_it():
    from devid import session
    from devid.store import Store

    settle, changed = Store.settle, []

    def failed(store):
        raise errors.pop()

    def log(level, text):
        raise OSError(28)  # where it goes to the same flash

    stored("test_identity_g")
    device = identity("test_identity_g", log)
    record = device._load()
    device.on_change = changed.append
    Store.settle = failed
    try:
        errors = [StorageError("full"), MemoryError()]
        while errors:
            await session.commit(device, b"new", record.certificate, [])
            assert device._record.key == b"new" and changed.pop() is device
    finally:
        Store.settle = settle


async def test_who_gives_up_waiting_after_a_commit_is_told_of_it():
    from devid import session

    stored("test_identity_j")
    device = identity("test_identity_j", credential=CODE)
    record, changed = device._load(), []
    device.on_change = changed.append
    device._settings.path = "test_identity_j.json"
    with open(device._settings.path, "w") as file:  # noqa: ASYNC230
        json.dump({"credential": CODE}, file)
    task = asyncio.create_task(session.commit(device, b"new", record.certificate, []))
    while device._record is record:  # noqa: ASYNC110
        await asyncio.sleep(0)
    task.cancel()
    await araises(asyncio.CancelledError, task)
    assert changed == [device] and not device._settings.password
    for slot in ("a", "b"):
        with open("test_identity_j/%s.slot" % slot, "rb") as file:  # noqa: ASYNC230
            assert b"new" in file.read(), "the old key is gone"


async def test_the_last_error_is_that_of_the_last_attempt():
    device = identity("test_identity_k")

    def attempt(error):
        async def step():
            device._error = error or device._error
            return "enrolled"

        async def next_step(forced):
            return step()

        device._next_step = next_step
        return device._once()

    await attempt("the secret stayed")
    assert device._error == "the secret stayed"
    await attempt(None)
    assert device._error is None


async def test_a_new_certificate_outlives_lost_connections_and_not_its_own_end():
    from devid import pending, renewal

    stored("test_identity_h")
    device = identity("test_identity_h")
    record, store = device._load(), device._store()
    wanted = pending.wish(device._settings, record.certificate)
    expired = certificates(EXPIRED)[0]
    seen = []

    async def renew(device, waiting, expired):
        seen.append(len(waiting.certificate))
        raise failure

    real, renewal._renew = renewal._renew, renew
    try:
        for failure, tries in ((NetworkError("down"), 12), (TrustError("no"), 3)):
            waiting = pending.nothing(wanted)
            waiting = pending.keep(store, waiting, b"key", b"", record.certificate)
            del seen[:]
            for _ in range(tries + 2):
                await araises(EstError, renewal.run(device, False, True))
            size = len(record.certificate)
            assert seen == [size] * (tries + 1) + [0], (failure, seen)
        pending.keep(store, waiting, b"key", b"", expired)
        await araises(EstError, renewal.run(device, False, True))
        assert seen[-1] == 0
    finally:
        renewal._renew = real
