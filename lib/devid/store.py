"""What the device keeps on flash: its identity, its trust, and the last time that it knew.

Each is a file of its own, so that one may change without the others. A commit writes a new file
and renames it over the old one: littlefs holds the old content or the new, whole, whenever the
power fails. The content is DER with a SHA-256 over it: what is damaged is noticed. The key lies
there in the clear; stock MicroPython has no flash encryption.
"""

import hashlib
import os
from collections import namedtuple

from est_errors import DerError, StorageError
from pki import der

_IDENTITY = "/identity"
_TRUST = "/trust"
_TIME = "/time"


# The identity; all DER (bytes): the key as SEC 1, the certificate, and a list of the intermediates
# above it. No class of our own: its instances would hold this module in the heap.
Record = namedtuple("Record", ("key", "certificate", "chain"))


class Trust:
    """Whom the device trusts, as devid.trust keeps it; certificates are DER (bytes)."""

    def __init__(self):
        self.anchors = []  # explicit trust anchors
        self.authorities = []  # other CA certificates, validated to them
        self.origin = ""  # which store vouched for the anchors at first
        self.authorised = ""  # which store authorised the server last, and how
        self.implicit_off = False  # the implicit store is disabled for good
        self.pin = b""  # fingerprint of a root that a person has approved
        self.candidate = b""  # SHA-256 of a root that waits for approval
        self.candidate_subject = ""
        self.given = b""  # SHA-256 of the trust in the settings that is taken in already


class Store:
    """The files in one folder of a file system. folder: str."""

    def __init__(self, folder):
        self._folder = folder

    def load(self):
        """Return the Record, or None where there is none; StorageError where it is damaged."""
        body = self._read(_IDENTITY, "identity")
        try:
            return _decode_identity(body) if body else None
        except DerError:
            raise StorageError("the identity on flash is damaged")

    def commit(self, record):
        """Replace the identity, atomically. Raises StorageError; then nothing has changed."""
        self._replace(
            _IDENTITY,
            "identity",
            der.integer(2),  # version of this format
            der.tlv(der.OCTET_STRING, record.key),
            record.certificate,
            der.head(der.SEQUENCE, record.chain),
            *record.chain,
        )

    def load_trust(self):
        """Return the Trust, or None where there is none; StorageError where it is damaged."""
        body = self._read(_TRUST, "trust")
        try:
            return _decode_trust(body) if body else None
        except DerError:
            raise StorageError("the trust on flash is damaged")

    def commit_trust(self, trust):
        """Replace the Trust, atomically. Raises StorageError; then nothing has changed."""
        self._replace(
            _TRUST,
            "trust",
            der.integer(1),
            der.head(der.SEQUENCE, trust.anchors),
            *trust.anchors,
            der.head(der.SEQUENCE, trust.authorities),
            *trust.authorities,
            der.integer(1 if trust.implicit_off else 0),
            der.tlv(der.OCTET_STRING, trust.origin.encode()),
            der.tlv(der.OCTET_STRING, trust.authorised.encode()),
            der.tlv(der.OCTET_STRING, trust.pin),
            der.tlv(der.OCTET_STRING, trust.candidate),
            der.tlv(der.OCTET_STRING, trust.candidate_subject.encode()),
            der.tlv(der.OCTET_STRING, trust.given),
        )

    def forget_trust(self):
        """Remove a Trust that is of no use any more."""
        self._remove(_TRUST + ".der")

    def check(self):
        """Raise StorageError where nothing can be kept in this folder; nothing is left behind."""
        try:
            os.stat(self._folder)
        except OSError:
            try:
                os.mkdir(self._folder)
                os.rmdir(self._folder)
            except OSError as error:
                raise StorageError(
                    "the folder %s cannot be made: %s" % (self._folder, error), "store"
                )

    def load_time(self):
        """Return the last time that was kept, Unix seconds (int), or 0."""
        try:
            body = self._read(_TIME, "time")
            return body.integer() if body else 0
        except (StorageError, DerError):
            return 0  # it only helps: what is damaged is as good as none

    def keep_time(self, seconds):
        """Keep a time, Unix seconds (int). Raises StorageError."""
        self._replace(_TIME, "time", der.integer(seconds))

    def _read(self, name, what):
        """Return a Reader over a file's body, or None; StorageError where it is damaged."""
        self._remove(name + ".new")  # what a power cut during a commit left over
        try:
            with open(self._folder + name + ".der", "rb") as file:
                content = file.read()
        except OSError:
            return None
        try:
            outer = der.sequence(content)
            body = outer.enter()
            digest = outer.take(der.OCTET_STRING)
            outer.finish()
        except DerError:
            raise StorageError("the %s on flash is damaged" % what)
        if hashlib.sha256(body.raw).digest() != bytes(digest):
            raise StorageError("the %s on flash is damaged" % what)
        return body

    def _replace(self, name, what, *parts):
        """Write the parts as one file in place of the old one."""
        # Part by part: together they are the largest piece of memory that anything would need.
        body = (der.head(der.SEQUENCE, parts),) + parts
        hasher = hashlib.sha256()
        for part in body:
            hasher.update(part)
        body += (der.tlv(der.OCTET_STRING, hasher.digest()),)
        new = self._folder + name + ".new"
        try:
            self._make_folder()
            with open(new, "wb") as file:
                file.write(der.head(der.SEQUENCE, body))
                for part in body:
                    file.write(part)
            os.rename(new, self._folder + name + ".der")
        except OSError as error:
            self._remove(name + ".new")
            full = error.args[0] == 28
            reason = "the file system is full" if full else "the file system says %s" % error
            raise StorageError("the %s was not stored: %s" % (what, reason))

    def _make_folder(self):
        try:
            os.stat(self._folder)
        except OSError:
            os.mkdir(self._folder)

    def _remove(self, name):
        try:
            os.remove(self._folder + name)
        except OSError:
            pass  # there is none


def _decode_identity(body):
    _check_version(body, 2)
    key = _octets(body)
    certificate = bytes(body.element(der.SEQUENCE))
    chain = _elements(body.enter())
    body.finish()
    return Record(key, certificate, chain)


def _decode_trust(body):
    _check_version(body, 1)
    trust = Trust()
    trust.anchors = _elements(body.enter())
    trust.authorities = _elements(body.enter())
    trust.implicit_off = body.integer() == 1
    trust.origin = _octets(body).decode()
    trust.authorised = _octets(body).decode()
    trust.pin = _octets(body)
    trust.candidate = _octets(body)
    trust.candidate_subject = _octets(body).decode()
    trust.given = _octets(body)
    body.finish()
    return trust


def _check_version(body, version):
    if body.integer() != version:
        raise DerError("written by another version")


def _octets(body):
    return bytes(body.take(der.OCTET_STRING))


def _elements(reader):
    found = []
    while reader.more():
        found.append(bytes(reader.element(der.SEQUENCE)))
    return found
