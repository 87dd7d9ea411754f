import hashlib
import os

from checks import Skip, raises, vector
from devid import record, trust
from devid import store as store_module
from devid.record import Record
from devid.store import IDENTITY, PENDING, TIME, TRUST, Store
from devid.trust import Trust
from est_errors import EstError, StorageError
from pki import cms

CERTIFICATES = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
RECORD = Record(b"key", CERTIFICATES[0], CERTIFICATES[1:])
SECOND = Record(b"other key", CERTIFICATES[3], [])
SLOTS = ["a.slot", "b.slot"]


def empty(name):
    """Return a Store in a new folder."""
    forget(name)
    return Store(name)


def forget(name):
    for file in SLOTS:
        try:
            os.remove(name + "/" + file)
        except OSError:
            pass
    try:
        os.rmdir(name)
    except OSError:
        pass


def keep(store, identity):
    store.commit({IDENTITY: record.parts(identity)})


def content(name):
    with open(name, "rb") as file:
        return bytearray(file.read())


def write(name, octets):
    with open(name, "wb") as file:
        file.write(octets)


def test_what_is_committed_is_loaded():
    store = empty("test_store_a")
    assert record.load(store) is None
    keep(store, RECORD)
    assert record.load(Store("test_store_a")) == RECORD
    keep(store, SECOND)
    assert record.load(store) == SECOND
    keep(store, RECORD)
    assert record.load(store) == RECORD
    assert sorted(os.listdir("test_store_a")) == SLOTS
    forget("test_store_a")


def test_items_change_together_and_the_others_stay():
    store = empty("test_store_b")
    store.commit({IDENTITY: record.parts(RECORD), PENDING: (b"waits",), TIME: (b"\x01\x02",)})
    assert store.read(PENDING) == b"waits" and store.read(TRUST) is None
    store.commit({IDENTITY: record.parts(SECOND), PENDING: None, TRUST: (b"t", b"", b"rust")})
    assert record.load(store) == SECOND and store.read(PENDING) is None
    assert store.read(TRUST) == b"trust" and store.load_time() == 0x102
    store.commit({TIME: (b"\x03",)})
    assert record.load(store) == SECOND and store.load_time() == 3
    forget("test_store_b")


def test_a_commit_cut_off_leaves_the_old_state_and_is_cleaned_up():
    store = empty("test_store_c")
    keep(store, RECORD)
    keep(store, SECOND)
    newest = content("test_store_c/b.slot")
    for size in (0, 3, 23, 24, 40, len(newest) - 33, len(newest) - 1):
        write("test_store_c/b.slot", newest[:size])
        assert record.load(store) == RECORD, size
    assert store.clean() and os.listdir("test_store_c") == ["a.slot"]
    assert not store.clean()
    keep(store, SECOND)
    assert record.load(store) == SECOND
    forget("test_store_c")


def test_damage_is_noticed_and_the_other_slot_used():
    store = empty("test_store_d")
    keep(store, RECORD)
    keep(store, SECOND)
    store.settle()
    whole = [content("test_store_d/" + name) for name in SLOTS]
    for name, octets in zip(SLOTS, whole):  # noqa: B905 - MicroPython has no strict
        for at in range(0, len(octets), 17):
            octets[at] ^= 1
            write("test_store_d/" + name, octets)
            assert record.load(store) == SECOND, (name, at)
            octets[at] ^= 1
        write("test_store_d/" + name, octets + b"\0")
        assert record.load(store) == SECOND
        write("test_store_d/" + name, octets)
    for name, octets in zip(SLOTS, whole):  # noqa: B905 - MicroPython has no strict
        octets[60] ^= 1
        write("test_store_d/" + name, octets)
    assert "damaged" in str(raises(StorageError, store.read, IDENTITY))
    assert not store.clean() and sorted(os.listdir("test_store_d")) == SLOTS
    keep(store, RECORD)
    assert record.load(store) == RECORD, "a damaged store can be written again"
    forget("test_store_d")


def test_what_is_whole_and_no_identity_is_noticed():
    store = empty("test_store_e")
    for octets in (b"\x04", b"\x04\x01k\x30\x00", b"\x04\x01k\x30\x00\x31\x00", b"nonsense"):
        store.commit({IDENTITY: (octets,)})
        raises(StorageError, record.load, store)
    forget("test_store_e")


def test_once_settled_the_old_key_is_in_neither_slot():
    store = empty("test_store_f")
    keep(store, RECORD)
    keep(store, SECOND)
    assert b"\x04\x03key" in bytes(content("test_store_f/a.slot"))
    store.settle()
    for name in SLOTS:
        assert b"\x04\x03key" not in bytes(content("test_store_f/" + name))
    assert record.load(store) == SECOND
    store.erase()
    assert os.listdir("test_store_f") == [] and record.load(store) is None
    store.settle()
    assert os.listdir("test_store_f") == []
    forget("test_store_f")


def test_a_folder_that_cannot_be_made_is_one_clear_error():
    error = raises(StorageError, keep, Store("no/such/folder"), RECORD)
    assert "not stored" in str(error) and "key" not in str(error)
    raises(StorageError, Store("no/such/folder").check)


def test_trust_is_kept_whole():
    store = empty("test_store_g")
    assert trust.load(store) is None
    wanted = Trust()
    wanted.anchors, wanted.authorities = CERTIFICATES[:1], CERTIFICATES[1:]
    wanted.origin, wanted.authorised, wanted.implicit_off = "pinned", "explicit, name", True
    wanted.pin, wanted.candidate, wanted.given = b"p" * 64, b"c" * 32, b"g" * 32
    wanted.candidate_subject = "CN=\xe4"
    store.commit({TRUST: trust.parts(wanted)})
    found = trust.load(store)
    assert {name: getattr(found, name) for name in vars_of(wanted)} == vars_of(wanted)
    octets = b"".join([bytes(part) for part in trust.parts(wanted)])
    for damaged in (octets[:-1], octets + b"\0", octets[1:], octets.replace(b"\xc3", b"\xff")):
        store.commit({TRUST: (damaged,)})
        assert "trust on flash is damaged" in str(raises(StorageError, trust.load, store))
    forget("test_store_g")


def vars_of(wanted):
    return {name: getattr(wanted, name) for name in dir(wanted) if name[0] != "_"}


def test_without_a_store_the_last_known_time_is_none():
    store = empty("test_store_h")
    assert store.load_time() == 0
    store.commit({TIME: ((1764547200).to_bytes(5, "big"),)})
    assert store.load_time() == 1764547200
    write("test_store_h/a.slot", b"nonsense")
    assert store.load_time() == 0
    forget("test_store_h")


def test_a_slot_that_claims_more_than_there_is():
    store = empty("test_store_i")
    os.mkdir("test_store_i")
    for sizes in ((0, 0, 0, 1), (65535, 65535, 65535, 65535), (0xFFFFFFFF, 0, 0, 0)):
        head = b"EST\x01\0\0\0\x01" + b"".join([size.to_bytes(4, "big") for size in sizes])
        for name in SLOTS:
            write("test_store_i/" + name, head + bytes(40))
        raises(StorageError, store.read, IDENTITY)
    piece = bytes(4096)
    error = raises(StorageError, store.commit, {IDENTITY: (piece,) * 17})
    assert "64 KB" in str(error)
    forget("test_store_i")


class RamDisk:
    """A block device in memory, for a real littlefs."""

    SIZE = 256

    def __init__(self, blocks):
        self.data = bytearray(blocks * self.SIZE)

    def readblocks(self, n, buf, offset=0):
        at = n * self.SIZE + offset
        buf[:] = self.data[at : at + len(buf)]

    def writeblocks(self, n, buf, offset=None):
        at = n * self.SIZE + (offset or 0)
        self.data[at : at + len(buf)] = buf

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.data) // self.SIZE
        return {5: self.SIZE, 6: 0}.get(op)


def mounted(blocks):
    """Mount a new littlefs at /lfs; skip the test where there is none."""
    try:
        import vfs
    except ImportError:
        raise Skip("CPython has no littlefs")
    disk = RamDisk(blocks)
    vfs.VfsLfs2.mkfs(disk)
    vfs.mount(vfs.VfsLfs2(disk), "/lfs")
    return vfs


def test_an_identity_on_littlefs():
    vfs = mounted(64)
    try:
        store = Store("/lfs/identity")
        assert record.load(store) is None
        keep(store, RECORD)
        keep(store, SECOND)
        store.settle()
        assert record.load(Store("/lfs/identity")) == SECOND
        assert sorted(os.listdir("/lfs/identity")) == SLOTS
    finally:
        vfs.umount("/lfs")


def test_a_full_flash_is_one_clear_error_and_keeps_the_old_identity():
    vfs = mounted(28)  # room for one identity of 3 KB, and not for another beside it
    try:
        store = Store("/lfs/identity")
        keep(store, RECORD)
        large = Record(b"x" * 1500, RECORD.certificate, CERTIFICATES + CERTIFICATES)
        error = raises(StorageError, keep, store, large)
        assert "the file system is full" in str(error)
        assert record.load(store) == RECORD
        assert os.listdir("/lfs/identity") == ["a.slot"]
    finally:
        vfs.umount("/lfs")


def test_the_last_sequence_number_counts_as_damage():
    store = empty("test_store_last")
    keep(store, RECORD)
    keep(store, SECOND)
    name = "test_store_last/" + SLOTS[1]
    octets = content(name)
    for last, identity in ((b"\xff\xff\xff\xfe", SECOND), (b"\xff\xff\xff\xff", RECORD)):
        octets[4:8] = last
        octets[-32:] = hashlib.sha256(bytes(octets[:-32])).digest()
        write(name, octets)
        assert record.load(Store("test_store_last")) == identity
    keep(store, SECOND)  # the next number of the slot that counts
    assert record.load(store) == SECOND
    forget("test_store_last")


class Exhausting:
    """Parts of an item of which the second one finds no memory, when it is written."""

    measured = False

    def __iter__(self):
        yield b"first"
        if self.measured:
            raise MemoryError
        self.measured = True


def test_memory_that_runs_out_in_a_commit_leaves_no_slot_that_looks_damaged():
    store = empty("test_store_k")
    for _ in range(2):
        keep(store, RECORD)
        names = os.listdir("test_store_k")
        raises(MemoryError, store.commit, {IDENTITY: Exhausting()})
        assert record.load(store) == RECORD and not store.clean(), names
    forget("test_store_k")


def test_what_cannot_be_read_now_is_not_taken_for_damage():
    store = empty("test_store_l")
    keep(store, RECORD)
    keep(store, SECOND)
    whole = [content("test_store_l/" + name) for name in SLOTS]
    for code in (12, 23, 24):  # ENOMEM, ENFILE, EMFILE
        for name in SLOTS:

            def busy(path, mode):
                if path.endswith(name):  # noqa: B023
                    raise OSError(code)  # noqa: B023
                return open(path, mode)

            store_module.open = busy
            try:
                for step in (store.clean, store.settle, lambda: keep(store, RECORD)):
                    error = raises(EstError, step)
                    assert not isinstance(error, StorageError), error
                    assert "cannot be read now" in str(error)
            finally:
                del store_module.open
            assert [content("test_store_l/" + name) for name in SLOTS] == whole
    assert record.load(store) == SECOND and not store.clean()
    forget("test_store_l")
