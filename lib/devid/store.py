"""The identity on flash: private key, certificate, chain and anchors in one file.

A commit writes a new file and renames it over the old one, so that littlefs holds the old
identity or the new one, whole, whenever the power fails. The content is DER with a SHA-256 over
it: what is damaged is noticed. The key lies there in the clear; stock MicroPython has no flash
encryption.
"""

import hashlib
import os

from est_errors import DerError, StorageError
from pki import der

_FILE = "/identity.der"
_NEW = "/identity.new"


class Record:
    """What a device has once it is enrolled; all DER (bytes), chain and anchors lists of them."""

    def __init__(self, key, certificate, chain, anchors):
        self.key = key  # SEC 1
        self.certificate = certificate
        self.chain = chain  # intermediates above the certificate
        self.anchors = anchors  # what TLS trusts


class Store:
    """The identity in one folder of a file system. folder: str."""

    def __init__(self, folder):
        self._folder = folder

    def load(self):
        """Return the Record, or None where there is none; StorageError where it is damaged."""
        self._clean()
        try:
            with open(self._folder + _FILE, "rb") as file:
                content = file.read()
        except OSError:
            return None
        try:
            return _decode(content)
        except DerError:
            raise StorageError("the identity on flash is damaged")

    def commit(self, record):
        """Replace what is stored, atomically. Raises StorageError; then nothing has changed."""
        content = _encode(record)
        try:
            self._make_folder()
            with open(self._folder + _NEW, "wb") as file:
                file.write(content)
            os.rename(self._folder + _NEW, self._folder + _FILE)
        except OSError as error:
            self._clean()
            full = error.args[0] == 28
            reason = "the file system is full" if full else "the file system says %s" % error
            raise StorageError("the identity was not stored: " + reason)

    def _make_folder(self):
        try:
            os.stat(self._folder)
        except OSError:
            os.mkdir(self._folder)

    def _clean(self):
        """Remove what a power cut during a commit left over."""
        try:
            os.remove(self._folder + _NEW)
        except OSError:
            pass  # there is none


def _encode(record):
    body = der.tlv(
        der.SEQUENCE,
        der.integer(1),  # version of this format
        der.tlv(der.OCTET_STRING, record.key),
        record.certificate,
        der.tlv(der.SEQUENCE, *record.chain),
        der.tlv(der.SEQUENCE, *record.anchors),
    )
    digest = hashlib.sha256(body).digest()
    return der.tlv(der.SEQUENCE, body, der.tlv(der.OCTET_STRING, digest))


def _decode(content):
    outer = der.sequence(content)
    body = outer.enter()
    digest = outer.take(der.OCTET_STRING)
    outer.finish()
    if hashlib.sha256(body.raw).digest() != bytes(digest):
        raise DerError("the checksum is wrong")
    if body.integer() != 1:
        raise DerError("written by another version")
    key = bytes(body.take(der.OCTET_STRING))
    certificate = bytes(body.element(der.SEQUENCE))
    chain = _elements(body.enter())
    anchors = _elements(body.enter())
    body.finish()
    return Record(key, certificate, chain, anchors)


def _elements(reader):
    found = []
    while reader.more():
        found.append(bytes(reader.element(der.SEQUENCE)))
    return found
