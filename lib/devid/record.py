"""The identity as it lies in the store: key, certificate, and what stands above it."""

from collections import namedtuple

from est_errors import DerError, StorageError
from pki import der, der_writer

from devid.store import IDENTITY

# All DER (bytes): the key as SEC 1, the certificate, and a list of the intermediates above it. No
# class of our own: its instances would hold this module in the heap.
Record = namedtuple("Record", ("key", "certificate", "chain"))


def load(store):
    """Return the Record in a devid.store.Store, or None; StorageError where it is damaged."""
    content = store.read(IDENTITY)
    if content is None:
        return None
    try:
        body = der.Reader(content)
        key = bytes(body.take(der.OCTET_STRING))
        certificate = bytes(body.element(der.SEQUENCE))
        chain = elements(body.enter())
        body.finish()
    except DerError:
        raise StorageError("the identity on flash is damaged")
    return Record(key, certificate, chain)


def parts(record):
    """Return what devid.store.Store.commit() takes for IDENTITY: a tuple of bytes."""
    return (
        der_writer.tlv(der.OCTET_STRING, record.key),
        record.certificate,
        der_writer.head(der.SEQUENCE, record.chain),
    ) + tuple(record.chain)


def elements(reader):
    """Return the rest of a der.Reader as a list of its elements (bytes each)."""
    found = []
    while reader.more():
        found.append(bytes(reader.element(der.SEQUENCE)))
    return found
