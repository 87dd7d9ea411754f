"""EST operations in one interpreter, for the tests: `probe.py LIB SHIM... < JSON`.

The JSON object has operations ("pause" is half a second), csr, and the arguments of est.Client
(bytes as hex). Prints one JSON object: {"results"} or {"error", "class", "step", "seconds"}; never
a traceback for an EstError, always one for anything else.
"""

import json
import sys
import time
from binascii import hexlify, unhexlify

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

import est  # noqa: E402
import est_limits  # noqa: E402


class Limits:
    """The board's limits with the test's own on top."""


def _limits(own):
    for name in dir(est_limits):
        if name[0] != "_":
            setattr(Limits, name, getattr(est_limits, name))
    for name, value in own.items():
        setattr(Limits, name, value)
    return Limits


async def _decrypt(kek, key):
    """Return what opens an encrypted key: [identifier, AES key] or a P-256 key, in hex."""
    if kek:
        return tuple([unhexlify(part) for part in kek])
    if not key:
        return None
    from pki import keys

    return await keys.load(unhexlify(key))


def _hook(kind, lines):
    """Return what est.Client gets as its log: "hook", Python's own "logging", or "silent"."""
    if kind == "silent":
        return None
    if kind == "hook":
        return lambda level, text: lines.append((level, text))
    import logging

    class Handler(logging.Handler):
        def emit(self, record):
            lines.append((record.levelno, record.getMessage()))

    logging.getLogger("est").addHandler(Handler())
    logging.getLogger("est").setLevel(logging.DEBUG)
    return logging.getLogger("est").log


async def _perform(wish):
    operations = wish.pop("operations")
    csr = unhexlify(wish.pop("csr", ""))
    wish["limits"] = _limits(wish.pop("limits", {}))
    if "psk" in wish:
        wish["psk"] = (wish["psk"][0], unhexlify(wish["psk"][1]))
    signer = await _decrypt(None, wish.pop("signer", None))
    for name in ("certificate", "key", "old"):
        if name in wish:
            wish[name] = unhexlify(wish[name])
    for name in ("anchors", "implicit", "intermediates"):
        wish[name] = [unhexlify(raw) for raw in wish.pop(name, ())]
    decrypt = await _decrypt(wish.pop("kek", None), wish.pop("decrypt_key", None))
    old = wish.pop("old", None)
    log = []
    client = est.Client(log=_hook(wish.pop("logging", "hook"), log), **wish)
    results = []
    async with client:
        for operation in operations:
            if operation == "pause":
                await asyncio.sleep(0.5)
                continue
            method = getattr(client, operation)
            if operation == "serverkeygen":
                result = await client.serverkeygen(csr, decrypt, True)
                results.append([hexlify(part).decode() for part in result])
                continue
            if operation == "fullcmc":
                results.append(hexlify(await client.fullcmc(csr, signer, old, True)).decode())
                continue
            result = await (method(csr) if operation.endswith("enroll") else method())
            if operation == "candidate":
                result = hexlify(result).decode()
            elif operation == "cacerts":
                result = [hexlify(der).decode() for der in result]
            elif operation == "csrattrs":
                result = result.as_text() if result else None
            else:
                result = hexlify(result).decode()
            results.append(result)
    return {
        "results": results,
        "handshakes": client.handshakes,
        "authorised": client.authorised,
        "anchors": [hexlify(raw).decode() for raw in client.anchors],
        "verified": client.verified,
        "log": log,
    }


def _main():
    started = time.time()
    try:
        outcome = asyncio.run(_perform(json.loads(sys.stdin.read())))
    except est.EstError as error:
        outcome = {"error": str(error), "class": error.__class__.__name__, "step": error.step}
        outcome["retry_after"] = getattr(error, "retry_after", None)
    outcome["seconds"] = time.time() - started
    json.dump(outcome, sys.stdout)  # not dumps(): a key is long, and memory was short enough
    print()


if __name__ == "__main__":
    _main()
