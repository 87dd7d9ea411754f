import os

from checks import Skip, raises, vector
from devid.store import Record, Store, Trust
from est_errors import StorageError
from pki import cms

CERTIFICATES = cms.certificates(vector("rfc7030/cacerts.p7.der"), 8)
RECORD = Record(b"key", CERTIFICATES[0], CERTIFICATES[1:])


def empty(name):
    """Return a Store in a new folder."""
    forget(name)
    return Store(name)


def forget(name):
    for file in ("identity.der", "identity.new", "trust.der", "time.der"):
        try:
            os.remove(name + "/" + file)
        except OSError:
            pass
    try:
        os.rmdir(name)
    except OSError:
        pass


def same(record, other):
    return (record.key, record.certificate, record.chain) == (
        other.key,
        other.certificate,
        other.chain,
    )


def test_what_is_committed_is_loaded():
    store = empty("test_store_a")
    assert store.load() is None
    store.commit(RECORD)
    assert same(Store("test_store_a").load(), RECORD)
    second = Record(b"other key", CERTIFICATES[3], [])
    store.commit(second)
    assert same(store.load(), second)
    assert os.listdir("test_store_a") == ["identity.der"]
    forget("test_store_a")


def test_a_commit_cut_off_leaves_the_old_identity_and_is_cleaned_up():
    store = empty("test_store_b")
    store.commit(RECORD)
    with open("test_store_b/identity.new", "wb") as file:
        file.write(b"half of a new one")
    assert same(store.load(), RECORD)
    assert os.listdir("test_store_b") == ["identity.der"]
    forget("test_store_b")


def test_damage_is_noticed():
    store = empty("test_store_c")
    store.commit(RECORD)
    path = "test_store_c/identity.der"
    with open(path, "rb") as file:
        content = bytearray(file.read())
    for i in range(0, len(content), 101):
        content[i] ^= 1
        with open(path, "wb") as file:
            file.write(content)
        raises(StorageError, store.load)
        content[i] ^= 1
    for size in (0, 1, 100, len(content) - 1):
        with open(path, "wb") as file:
            file.write(content[:size])
        raises(StorageError, store.load)
    forget("test_store_c")


def test_a_folder_that_cannot_be_made_is_one_clear_error():
    error = raises(StorageError, Store("no/such/folder").commit, RECORD)
    assert "not stored" in str(error) and "key" not in str(error)


def test_trust_is_kept_whole_and_apart_from_the_identity():
    store = empty("test_store_d")
    assert store.load_trust() is None
    trust = Trust()
    trust.anchors, trust.authorities = CERTIFICATES[:1], CERTIFICATES[1:]
    trust.origin, trust.authorised, trust.implicit_off = "pinned", "explicit, name", True
    trust.pin, trust.candidate, trust.given = b"p" * 64, b"c" * 32, b"g" * 32
    trust.candidate_subject = "CN=\xe4"
    store.commit_trust(trust)
    found = store.load_trust()
    assert {name: getattr(found, name) for name in vars_of(trust)} == vars_of(trust)
    assert store.load() is None and os.listdir("test_store_d") == ["trust.der"]
    with open("test_store_d/trust.der", "rb") as file:
        content = bytearray(file.read())
    content[200] ^= 1
    with open("test_store_d/trust.der", "wb") as file:
        file.write(content)
    assert "trust on flash is damaged" in str(raises(StorageError, store.load_trust))
    forget("test_store_d")


def vars_of(trust):
    return {name: getattr(trust, name) for name in dir(trust) if name[0] != "_"}


def test_the_last_known_time_is_kept_and_damage_is_as_good_as_none():
    store = empty("test_store_e")
    assert store.load_time() == 0
    store.keep_time(1764547200)
    assert store.load_time() == 1764547200
    with open("test_store_e/time.der", "wb") as file:
        file.write(b"nonsense")
    assert store.load_time() == 0
    forget("test_store_e")


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
        assert store.load() is None
        store.commit(RECORD)
        store.commit(Record(b"second", RECORD.certificate, []))
        assert Store("/lfs/identity").load().key == b"second"
        assert os.listdir("/lfs/identity") == ["identity.der"]
    finally:
        vfs.umount("/lfs")


def test_a_full_flash_is_one_clear_error_and_keeps_the_old_identity():
    vfs = mounted(28)  # room for one identity of 3 KB, and not for another beside it
    try:
        store = Store("/lfs/identity")
        store.commit(RECORD)
        error = raises(
            StorageError,
            store.commit,
            Record(b"x" * 1500, RECORD.certificate, CERTIFICATES + CERTIFICATES),
        )
        assert "the file system is full" in str(error)
        assert same(store.load(), RECORD)
        assert os.listdir("/lfs/identity") == ["identity.der"]
    finally:
        vfs.umount("/lfs")
