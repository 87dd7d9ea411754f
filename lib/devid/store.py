"""What the device keeps on flash, in two slots: a power cut leaves the old state or the new one.

A slot is one file with everything in it: identity, trust, pending request, last known time. A
commit writes the whole state into the slot that is not in use, and ends it with its commit
record, a SHA-256 over the slot and its sequence number. The whole slot with the higher number
counts; one without a right record was cut off or is damaged. So several items change in one step,
and a file system needs no atomic rename (FAT has none). The keys lie there in the clear; stock
MicroPython has no flash encryption.

Slot ::= "EST", version, sequence (4 octets), length of each item (4 octets each), items, record
"""

import gc
import hashlib
import os

from est_errors import EstError, StorageError
from micropython import const

IDENTITY = const(0)
TRUST = const(1)
PENDING = const(2)
TIME = const(3)

_SLOTS = ("/a.slot", "/b.slot")
_MAGIC = b"EST\x01"
_ITEMS = const(4)
_HEAD = const(24)  # octets before the items
_RECORD = const(32)  # octets after them
_PIECE = const(256)  # octets that are copied or hashed at a time
_FULL = const((28, 36))  # ENOSPC; littlefs makes ENAMETOOLONG of it where a file is new
_ABSENT = const((2, 20))  # ENOENT, ENOTDIR
_BUSY = const((12, 23, 24))  # ENOMEM, ENFILE, EMFILE: they say nothing of what is on flash
_LAST = const(0xFFFFFFFE)  # sequence number: the next one has to fit into its octets
_LARGEST = const(65535)  # octets of one item; nothing that is kept is half as large


class Store:
    """The two slots in one folder of a file system. folder: str."""

    def __init__(self, folder):
        self._folder = folder

    def read(self, item):
        """Return an item (IDENTITY, TRUST, PENDING or TIME) as bytes, or None where there is none.

        Raises StorageError where what is on flash is damaged in both slots.
        """
        found = self._newest()
        if found is None or not found[2][item]:
            return None
        path, _, sizes = found
        with open(path, "rb") as file:
            file.seek(_HEAD + sum(sizes[:item]))
            return file.read(sizes[item])

    def commit(self, changes):
        """Change items in one step: {item: tuple of its parts (bytes-like), or None to drop it}.

        Raises StorageError; then nothing has changed.
        """
        try:
            found = self._newest()
        except StorageError:
            found = None  # nothing is left that could be kept
        self._write(found, changes)

    def settle(self):
        """Have the state in both slots, and so what it replaced in none.

        The old content is overwritten first, for it may hold an old private key.
        """
        found = self._newest()
        if found:
            self._wipe(self._spare(found))
            self._write(found, {})

    def clean(self):
        """Remove a slot that a power cut or a fault has left without its record.

        Returns whether there was one. Where both are damaged they stay.
        """
        damaged = [name for name in _SLOTS if self._examine(name, _whole) is False]
        if len(damaged) == 1:
            self._remove(self._folder + damaged[0])
            return True
        return False

    def erase(self):
        """Overwrite and remove both slots."""
        for name in _SLOTS:
            self._wipe(self._folder + name)

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
                    "the folder %s cannot be made: %s" % (self._folder, _reason(error)), "store"
                )

    def load_time(self):
        """Return the last time that was kept, Unix seconds (int), or 0."""
        try:
            return int.from_bytes(self.read(TIME) or b"", "big")
        except StorageError:
            return 0

    def _newest(self):
        """Return (path, sequence, sizes of the items) of the slot that counts, or None."""
        heads = []
        damaged = 0
        for name in _SLOTS:
            head = self._examine(name, _head)
            if head:
                heads.append((head[0], name))
            elif head is False:
                damaged += 1
        for _, name in sorted(heads, reverse=True):  # the other one is not hashed for nothing
            found = self._examine(name, _whole)
            if found:
                return (self._folder + name,) + found
            damaged += 1
        # One alone was the first of all commits, and cut off.
        if damaged == len(_SLOTS):
            raise StorageError("the identity on flash is damaged")
        return None

    def _examine(self, name, read):
        """Return what read(), _head or _whole, gives of a slot; None where there is none, False:
        it is damaged.

        Raises EstError where it cannot be read now: nobody may take that for damage.
        """
        try:
            with open(self._folder + name, "rb") as file:
                return read(file)
        except OSError as error:
            if error.args[0] in _BUSY:
                raise EstError("the identity on flash cannot be read now: %s" % error, "store")
            return None if error.args[0] in _ABSENT else False

    def _spare(self, found):
        """Return the path of the slot that does not count."""
        first = self._folder + _SLOTS[0]
        return self._folder + _SLOTS[1] if found and found[0] == first else first

    def _write(self, found, changes):
        """Write the state of the slot `found` (or None) with its changes into the other slot."""
        sizes = list(found[2]) if found else [0] * _ITEMS
        for item, parts in changes.items():
            sizes[item] = sum([len(part) for part in parts or ()])
            if sizes[item] > _LARGEST:
                raise StorageError("the identity was not stored: it is larger than 64 KB")
        target = self._spare(found)
        try:
            self._make_folder()
            with open(target, "wb") as file:
                self._fill(_Hashed(file), found, sizes, changes)
            with open(target, "rb") as file:
                if not _whole(file):
                    raise StorageError("the identity was not stored: flash reads back otherwise")
        except MemoryError:
            self._remove(target)  # else it would look like damage
            raise
        except OSError as error:
            self._remove(target)
            raise StorageError("the identity was not stored: " + _reason(error))

    def _fill(self, file, found, sizes, changes):
        numbers = [found[1] + 1 if found else 1] + sizes
        file.write(_MAGIC + b"".join([number.to_bytes(4, "big") for number in numbers]))
        for item in range(_ITEMS):
            if item in changes:
                # Part by part: together they are the largest piece of memory that is needed.
                for part in changes[item] or ():
                    file.write(part)
            elif sizes[item]:
                with open(found[0], "rb") as old:
                    old.seek(_HEAD + sum(found[2][:item]))
                    _copy(old, sizes[item], file.write)
        file.finish()

    def _make_folder(self):
        try:
            os.stat(self._folder)
        except OSError:
            os.mkdir(self._folder)

    def _wipe(self, path):
        """Overwrite a file and remove it. On littlefs old blocks stay until they are reused."""
        try:
            try:
                left = os.stat(path)[6]
                with open(path, "r+b") as file:
                    zeros = bytes(_PIECE)
                    while left > 0:
                        file.write(zeros)
                        left -= _PIECE
            except OSError:
                pass  # there is none, or it cannot be written: then it is removed all the same
            self._remove(path)
        except MemoryError:  # what is overwritten and stays looks like damage
            gc.collect()
            self._remove(path)
            raise

    def _remove(self, path):
        try:
            os.remove(path)
        except OSError:
            pass  # there is none


class _Hashed:
    """Writes to a file and hashes what it writes."""

    def __init__(self, file):
        self._file = file
        self._hasher = hashlib.sha256()

    def write(self, octets):
        self._hasher.update(octets)
        self._file.write(octets)

    def finish(self):
        """Write the commit record."""
        self._file.write(self._hasher.digest())


def _reason(error):
    if error.args[0] in _FULL:
        return "the file system is full"
    return "the file system says %s" % error


def _head(file):
    """Return (sequence, sizes of the items, its octets) of an open slot's head, or False where it
    is damaged."""
    head = file.read(_HEAD)
    if len(head) != _HEAD or head[:4] != _MAGIC:
        return False
    numbers = [int.from_bytes(head[at : at + 4], "big") for at in range(4, _HEAD, 4)]
    sizes = numbers[1:]
    if max(sizes) > _LARGEST or numbers[0] > _LAST:
        return False
    return numbers[0], sizes, head


def _whole(file):
    """Return (sequence, sizes of the items) of an open slot, or False where it is damaged."""
    found = _head(file)
    if not found:
        return False
    sequence, sizes, head = found
    hasher = hashlib.sha256(head)
    if not _copy(file, sum(sizes), hasher.update):
        return False
    return (sequence, sizes) if file.read(_RECORD + 1) == hasher.digest() else False


def _copy(file, left, give):
    """Hand `left` octets of a file to a function, in pieces; return whether they were there."""
    view = memoryview(bytearray(_PIECE))
    while left:
        if left < _PIECE:
            view = view[:left]
        count = file.readinto(view)
        if not count:
            return False
        give(view if count == len(view) else view[:count])
        left -= count
    return True
