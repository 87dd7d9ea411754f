"""The errors of the EST client: one small hierarchy, shared by every module of the library.

Each message says what happened and what a person can do. `step` names the operation that was
under way ("cacerts", "simpleenroll", "store", ...); it is filled in by the outermost layer that
knows it. Messages never contain a private key, a password or a one-time code.
"""


class EstError(Exception):
    """Root of every error that the library raises on purpose.

    message: str for people, one line. step: str naming the failing step, or None.
    """

    def __init__(self, message, step=None):
        super().__init__(message)
        self.message = message
        self.step = step

    def __str__(self):
        return self.step + ": " + self.message if self.step else self.message


class ConfigError(EstError):
    """A setting or an argument is missing or wrong; trying again will not help."""


class KeyFault(EstError):
    """A private key is unusable, does not match, or its backend cannot do what was asked."""


class StorageError(EstError):
    """The identity could not be read from flash or written to it."""


class NetworkError(EstError):
    """No connection, or the connection broke; trying again may help."""


class DeadlineError(NetworkError):
    """A network step took longer than its deadline."""


class TrustError(EstError):
    """The server, or what it sent, could not be verified."""


class ApprovalNeeded(TrustError):
    """Nobody has vouched for the server yet (RFC 7030 4.1.1): a person has to compare.

    subject, fingerprint: of the root that the server showed (str; SHA-256 in hex).
    """

    def __init__(self, subject, fingerprint, step=None):
        super().__init__(
            "nobody has vouched for %s, SHA-256 %s: compare, then identity.approve(fingerprint)"
            % (subject, fingerprint),
            step,
        )
        self.subject = subject
        self.fingerprint = fingerprint


class ProtocolError(EstError):
    """The server sent something that breaks a protocol or a format."""


class LimitError(ProtocolError):
    """The server sent more than the board's configuration allows."""


class DerError(ProtocolError):
    """Bytes that are not the DER they should be."""


class ServerError(EstError):
    """The server refused. status: HTTP status (int); reason: its bounded text (str, may be "")."""

    def __init__(self, message, status, reason="", step=None):
        super().__init__(message, step)
        self.status = status
        self.reason = reason


class AuthError(ServerError):
    """The server refused the credentials, or wants some that were not given (401, 403)."""


class RetryLater(ServerError):
    """The server said "not yet" (202, RFC 7030 4.2.3) or is busy (429, 503).

    retry_after: int seconds to wait as the server asked, or None where it did not say.
    """

    def __init__(self, message, status, retry_after=None, reason="", step=None):
        super().__init__(message, status, reason, step)
        self.retry_after = retry_after


def at(operation, error):
    """Name the operation in an error that does not name its step yet; return the error."""
    if error.step is None:
        error.step = operation
    return error
