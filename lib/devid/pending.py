"""What waits for the server: kept on flash, so that a reboot goes on where the device was.

The key and the request are kept before the request is sent, and sent again unchanged (RFC 7030
4.2.3); the time to ask again, so that a reboot neither asks too early nor forgets; and a new
certificate until a TLS session has proved it.
"""

import hashlib
from collections import namedtuple

import unix_time
from est_errors import AuthError, DerError, NetworkError, RetryLater, StorageError
from micropython import const
from pki import der, der_writer

from devid import schedule
from devid.record import elements
from devid.store import PENDING

_WARNING = const(30)

# until: Unix seconds before which the server is not asked; tries: how often it was asked in vain;
# reason: the last error (str); key, request, certificate: DER (bytes), empty where there is none
# yet; chain: list of DER; wish: SHA-256 of what it was made for.
Pending = namedtuple(
    "Pending", ("until", "tries", "reason", "key", "request", "certificate", "chain", "wish")
)


def wish(settings, certificate=b""):
    """Return the SHA-256 of what a request is for: another wish is another request.

    settings: devid.settings.Settings. certificate: DER (bytes) of the one that is renewed.
    """
    wanted = (
        settings.host,
        settings.port,
        settings.label,
        settings.subject,
        list(settings.san),
        list(settings.key_usage),
        list(settings.ext_key_usage),
    )
    hasher = hashlib.sha256(repr(wanted).encode())
    hasher.update(certificate)
    return hasher.digest()


def nothing(wanted):
    """Return a Pending of which there is only the wish."""
    return Pending(0, 0, "", b"", b"", b"", [], wanted)


def load(store, wanted, log):
    """Return the Pending in a devid.store.Store, or nothing(), where none is for this wish."""
    try:
        found = read(store)
    except StorageError as error:
        log(_WARNING, "store: %s; it is forgotten" % error.message)
        found = None
    return found if found and found.wish == wanted else nothing(wanted)


def too_early(waiting, limits, log):
    """Return the seconds (int) until the server may be asked again, or 0."""
    left = waiting.until - unix_time.now()
    if left > schedule.farthest(limits):
        log(_WARNING, "pending: the clock was set back; asking the server now")
        left = 0
    return max(left, 0)


def keep(store, waiting, key, request, certificate=b"", chain=()):
    """Keep what is to be sent, or has come but is not proved; return the Pending.

    A request that is linked to its TLS session (est_link.Linked) is made anew each time: its key
    alone is kept. Raises StorageError.
    """
    octets = request if isinstance(request, bytes) else b""
    tries = 0 if certificate else waiting.tries  # from here on its proofs are counted
    waiting = Pending(
        0, tries, waiting.reason, key, octets, certificate, list(chain), waiting.wish
    )
    store.commit({PENDING: parts(waiting)})
    return waiting


def refused(error, store, waiting, limits, most=None):
    """Keep when to ask again after an error, or forget a request that never will be granted.

    error: EstError; a RetryLater gets its retry_after here where the server did not say. most:
    seconds, the longest wait after any error; None: only a RetryLater makes the device wait.
    Raises StorageError.
    """
    until, tries = 0, waiting.tries
    key, request = waiting.key, waiting.request
    certificate, chain = waiting.certificate, waiting.chain
    later = isinstance(error, RetryLater)
    if later or most:
        wait = getattr(error, "retry_after", None)
        if not wait:
            wait = schedule.backoff(tries, limits.RETRY_FIRST, most or limits.RETRY_MAX)
            tries += 1
        if later and not error.retry_after:
            error.retry_after = wait
            error.message += "; next time in %d s" % wait
        until = unix_time.now() + wait
    status = getattr(error, "status", 0)
    if 400 <= status < 500 and status != 404 and not (later or isinstance(error, AuthError)):
        key = request = certificate = b""
        chain = []
    kept = Pending(until, tries, str(error), key, request, certificate, chain, waiting.wish)
    store.commit({PENDING: parts(kept)})


def patience(error, tries, left, limits):
    """Return the seconds to wait before trying again after an error; raise it where none help.

    error: EstError. tries: int, how often this was asked already. left: seconds that may be
    waited, or None: as many as it takes.
    """
    wait = getattr(error, "retry_after", None)
    if not wait:
        if not (
            isinstance(error, (NetworkError, RetryLater)) or getattr(error, "status", 0) >= 500
        ):
            raise error
        # As in devid.keeper: there is no valid certificate.
        wait = schedule.backoff(tries, limits.RETRY_FIRST, (limits.RETRY_MAX + 1) // 2)
    if left is not None and wait > left:
        raise error
    return wait


def read(store):
    """Return the Pending in a devid.store.Store, or None; StorageError where it is damaged."""
    content = store.read(PENDING)
    if content is None:
        return None
    try:
        body = der.Reader(content)
        until = body.integer()
        tries = body.integer()
        if until < 0 or tries < 0:
            raise ValueError
        fields = [bytes(body.take(der.OCTET_STRING)) for _ in range(5)]
        chain = elements(body.enter())
        body.finish()
        reason, key, request, certificate, wanted = fields
        return Pending(until, tries, reason.decode(), key, request, certificate, chain, wanted)
    except (DerError, ValueError):  # ValueError: or a text that is no UTF-8
        raise StorageError("the pending request on flash is damaged")


def parts(waiting):
    """Return what devid.store.Store.commit() takes for PENDING: a tuple of bytes."""
    found = [der_writer.integer(waiting.until), der_writer.integer(waiting.tries)]
    octets = (waiting.reason.encode(), waiting.key, waiting.request, waiting.certificate)
    for value in octets + (waiting.wish,):
        found.append(der_writer.tlv(der.OCTET_STRING, value))
    found.append(der_writer.head(der.SEQUENCE, waiting.chain))
    return tuple(found + waiting.chain)
