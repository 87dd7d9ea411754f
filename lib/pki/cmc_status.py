"""What a PKIResponse says in its controls (RFC 5272 6.1, 6.6): how it went, in words.

CMCStatusInfo and CMCStatusInfoV2, transactionId and recipientNonce. Other controls are passed
over; a server's senderNonce is read and not used, as nothing follows the response.
"""

from est_errors import DerError, ProtocolError, RetryLater, ServerError
from micropython import const

from pki import der, x509

_CMC = b"\x2b\x06\x01\x05\x05\x07\x07"  # id-cmc
_STATUS_INFO = const(1)
_TRANSACTION_ID = const(5)
_RECIPIENT_NONCE = const(7)
_STATUS_INFO_V2 = const(25)
_MAX_CONTROLS = const(16)
_PENDING = const(3)
_TRY_LATER = const(12)
_UTF8_STRING = const(0x0C)
_GENERALIZED_TIME = const(0x18)
_STATUS = ("success", "", "failed", "pending", "noSupport", "confirmRequired", "popRequired")
_FAIL = (
    "badAlg: an algorithm is not supported",
    "badMessageCheck: the signature did not verify",
    "badRequest: not permitted or not supported",
    "badTime: the server's clock differs too much",
    "badCertId: no certificate by this identifier",
    "unsupportedExt: an extension is not supported",
    "mustArchiveKeys: private keys have to be archived",
    "badIdentity: who asks could not be verified",
    "popRequired: prove possession of the key",
    "popFailed: the proof of possession failed",
    "noKeyReuse: make another key",
    "internalCAError: the CA has a fault",
    "tryLater: try again later",
    "authDataFail: the authentication data could not be verified",
)


def check(content, transaction, nonce, now, limits):
    """Check that a PKIResponse (DER) answers what was sent, and that it went well.

    transaction, nonce: DER of the transactionId and the senderNonce that were sent. Raises
    ServerError with the status in words, RetryLater where the request waits for a decision (its
    time is counted from `now`, Unix seconds), ProtocolError where the response answers another
    request, DerError.
    """
    failure, answered, recipient = _controls(content, now, limits)
    if answered not in (None, transaction) or recipient not in (None, nonce):
        raise ProtocolError("the PKI Response answers another request (transactionId or nonce)")
    if failure:
        raise failure
    if answered is None or recipient is None:
        raise ProtocolError("the PKI Response lacks transactionId or recipientNonce")


def words(content, limits):
    """Return what went wrong by a PKIResponse (DER), in words (str, bounded), or "". DerError."""
    failure = _controls(content, None, limits)[0]
    return failure.reason if failure else ""


def _controls(content, now, limits):
    """Return (the error it reports or None, transactionId or None, recipientNonce or None)."""
    response = der.sequence(content)
    controls = response.enter()
    response.element(der.SEQUENCE)  # cmsSequence
    response.element(der.SEQUENCE)  # otherMsgSequence
    response.finish()
    failure = None
    echoed = {}
    count = 0
    while controls.more():
        count += 1
        if count > _MAX_CONTROLS:
            raise DerError("CMC: more than %d controls" % _MAX_CONTROLS)
        control = controls.enter()
        control.integer_bytes()  # bodyPartID
        kind = control.oid()
        values = control.enter(der.SET)
        control.finish()
        kind = kind[-1] if kind[:-1] == _CMC else 0
        if kind in (_STATUS_INFO, _STATUS_INFO_V2):
            failure = failure or _status(values.enter(), now, limits)
        elif kind in (_TRANSACTION_ID, _RECIPIENT_NONCE):
            if kind in echoed:
                raise DerError("CMC: the same control twice")
            echoed[kind] = bytes(values.element())
    return failure, echoed.get(_TRANSACTION_ID), echoed.get(_RECIPIENT_NONCE)


def _status(info, now, limits):
    """Return the error that a CMCStatusInfo or CMCStatusInfoV2 reports, or None for success."""
    status = info.integer()
    info.element(der.SEQUENCE)  # bodyList
    said = ""
    if info.peek() == _UTF8_STRING:
        said = _text(bytes(info.take(_UTF8_STRING)[: limits.MAX_ERROR_TEXT]))
    fail = after = None
    if info.peek() == der.INTEGER:
        fail = info.integer()
    elif info.peek() == der.SEQUENCE:  # PendInfo
        pending = info.enter()
        pending.element(der.OCTET_STRING)
        if pending.peek() == _GENERALIZED_TIME:
            when = x509.read_time(pending)
            if now is not None:
                after = min(max(0, when - now), limits.MAX_RETRY_AFTER)
    elif info.more():  # [1] extendedFailInfo
        info.element()
    info.finish()
    if not status:
        return None
    known = 0 < status < len(_STATUS) and _STATUS[status]
    shown = known or ("partial" if status == 7 else "status %d" % status)
    if fail is not None:
        known = 0 <= fail < len(_FAIL) and _FAIL[fail]
        shown += ", " + (known or "failInfo %d" % fail)
    if said:
        shown += ": " + said
    if status == _PENDING or fail == _TRY_LATER:
        wait = "" if after is None else "; try again in %d s" % after
        return RetryLater("the server says not yet (%s)%s" % (shown, wait), 200, after, shown)
    return ServerError("the server refused (CMC %s)" % shown, 200, shown)


def _text(octets):
    """Return printable text of a server's octets."""
    return "".join([chr(octet) if 32 <= octet < 127 else "?" for octet in octets])
