"""A request that waits for the server (RFC 7030 4.2.3): kept on flash, sent again unchanged.

The key, the request and the time to ask again are one file beside the identity, so that a reboot
neither asks too early nor forgets. Loaded only where something waits.
"""

import hashlib
import os

import unix_time
from est_errors import AuthError, DerError, NetworkError, RetryLater, StorageError
from pki import der

_FILE = "/pending"
_WHAT = "pending request"


def load(store, settings, limits, log):
    """Return (key, request) that wait: SEC 1 and PKCS #10 DER (bytes), or None each.

    A request that was linked to its TLS session is not kept, for it has to be made anew with the
    same key. store: devid.store.Store; settings: devid.settings.Settings; limits: see est_limits;
    log: function of one str. Raises RetryLater where it is too early to ask again.
    """
    try:
        found = _read(store)
    except StorageError as error:
        log("store: %s; it is forgotten" % error.message)
        found = None
    if found is None or found[4] != _fingerprint(settings):
        erase(store)
        return None, None
    until, _, key, request, _ = found
    left = until - unix_time.now()
    if left > limits.MAX_RETRY_AFTER:
        log("pending: the clock was set back; asking the server now")
    elif left > 0:
        raise RetryLater(
            "not yet: the server is to be asked again in %d s" % left, 202, left, step="pending"
        )
    if key:
        log("pending: asking again with the same key")
    return key or None, request or None


def refused(error, store, settings, limits, key, request):
    """Keep what was not granted, to be sent again, or forget what never will be.

    error: the ServerError; a RetryLater gets its retry_after here where the server did not say:
    exponential backoff with full jitter. key, request: as load() returns them; request may also
    be an est_link.Linked. Raises StorageError.
    """
    if not isinstance(error, RetryLater):
        final = 400 <= error.status < 500 and error.status != 404
        if final and not isinstance(error, AuthError):
            erase(store)
        return
    try:
        found = _read(store)
    except StorageError:
        found = None
    tries = found[1] if found and found[4] == _fingerprint(settings) else 0
    if not error.retry_after:
        error.retry_after = backoff(tries, limits)
        error.message += "; next time in %d s" % error.retry_after
        tries += 1
    store._replace(
        _FILE,
        _WHAT,
        der.integer(1),  # version of this format
        der.integer(unix_time.now() + error.retry_after),
        der.integer(tries),
        der.tlv(der.OCTET_STRING, key or b""),
        der.tlv(der.OCTET_STRING, request if isinstance(request, bytes) else b""),
        der.tlv(der.OCTET_STRING, _fingerprint(settings)),
    )


def patience(error, tries, left, limits):
    """Return the seconds to wait before trying again after an error; raise it where none help.

    error: EstError. tries: int, how often this was asked already. left: seconds that may be
    waited, or None: as many as it takes.
    """
    if isinstance(error, RetryLater):
        wait = error.retry_after or backoff(tries, limits)
    elif isinstance(error, NetworkError) or error.status >= 500:
        wait = backoff(tries, limits)
    else:
        raise error
    if left is not None and wait > left:
        raise error
    return wait


def backoff(tries, limits):
    """Return seconds to wait (int): random up to RETRY_FIRST, doubled at each try to RETRY_MAX."""
    most = min(limits.RETRY_MAX, limits.RETRY_FIRST << min(tries, 16))
    return 1 + int.from_bytes(os.urandom(4), "big") % most


def until(store):
    """Return when the server is to be asked again (Unix seconds), or None."""
    try:
        found = _read(store)
    except StorageError:
        return None
    return found[0] if found else None


def erase(store):
    """Forget what waits."""
    store._remove(_FILE + ".der")


def _read(store):
    """Return (until, tries, key, request, fingerprint of the settings), or None."""
    body = store._read(_FILE, _WHAT)
    if body is None:
        return None
    try:
        if body.integer() != 1:
            raise DerError("written by another version")
        found = [body.integer(), body.integer()]
        for _ in range(3):
            found.append(bytes(body.take(der.OCTET_STRING)))
        body.finish()
    except DerError:
        raise StorageError("the %s on flash is damaged" % _WHAT)
    return found


def _fingerprint(settings):
    """Return the SHA-256 of what the request was made for: another wish is another request."""
    wish = (
        settings.host,
        settings.port,
        settings.label,
        settings.subject,
        list(settings.san),
        list(settings.key_usage),
        list(settings.ext_key_usage),
    )
    return hashlib.sha256(repr(wish).encode()).digest()
