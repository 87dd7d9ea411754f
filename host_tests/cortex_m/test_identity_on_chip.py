"""A key, a request and the store of the identity on a Cortex-M3 with a small board's heap.

Once with the library in /lib, as .mpy, and once with it frozen into the firmware.
"""

from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from estctl import library
from estctl.cortex_m import Machine
from onboard import Talk, put_library, put_urandom

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("cortex_m_built")]

HEAP = 96 * 1024
ENROL = """\
import asyncio
from devid import record
from devid.store import IDENTITY, Store
from pki import csr, keys

async def main():
    key = await keys.generate()
    request = await csr.build(key, "O=Acme,CN=pump-7", ["dns:pump-7.example"])
    # There is no CA here: the request, DER as well, lies where the certificate would.
    made = record.Record(await key.private_bytes(), request, [b"\\x30\\x00"])
    Store("/identity").commit({IDENTITY: record.parts(made)})
    print((request, made.key))

asyncio.run(main())
"""
READ = """\
from devid import record
from devid.store import Store
found = record.load(Store("/identity"))
print(found and tuple(found))
"""
SIGN = """\
import asyncio
from devid import record
from devid.store import Store
from pki import csr, keys

async def main():
    key = await keys.load(record.load(Store("/identity")).key)
    print(await csr.build(key, "CN=again"))

asyncio.run(main())
"""


@contextmanager
def machine(folder, is_frozen):
    """A machine with the library; gives its port. folder: where it may be compiled."""
    names = ["devid/__init__.py", "devid/record.py", "devid/store.py"]
    names += ["est_errors.py", "est_limits.py", "heap.py", "unix_time.py"]
    names += [f"pki/{path.name}" for path in sorted((library.LIB / "pki").glob("*.py"))]
    with Machine("cortex_m3", heap=HEAP, disk=1 << 20, frozen=is_frozen) as made:
        with Talk(made.port) as talk:
            put_library(talk, [] if is_frozen else names, folder)
            put_urandom(talk)
        yield made.port


@pytest.fixture(scope="module", params=[False, True], ids=["files", "frozen"])
def port(cortex_m_built, request, tmp_path_factory):
    if request.param:
        request.getfixturevalue("frozen_built")
    with machine(tmp_path_factory.mktemp("mpy"), request.param) as found:
        yield found


def test_an_identity_made_on_the_chip_verifies_and_outlives_a_soft_reset(port):
    with Talk(port) as talk:
        octets, key = talk.run(ENROL)
    request = x509.load_der_x509_csr(octets)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=pump-7,O=Acme"
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["pump-7.example"]
    public = serialization.load_der_private_key(key, None).public_key()
    assert public == request.public_key()

    with Talk(port) as talk:
        assert talk.run(READ) == (key, octets, [b"\x30\x00"])
    with Talk(port) as talk:
        again = x509.load_der_x509_csr(talk.run(SIGN))
    assert again.is_signature_valid
    assert again.public_key() == public


def test_two_keys_that_are_made_on_the_chip_differ(port):
    with Talk(port) as talk:
        code = "import asyncio\nfrom pki import keys\nprint([asyncio.run(asyncio.run("
        code += "keys.generate()).private_bytes()) for _ in range(2)])"
        first, second = talk.run(code)
    assert first != second


def test_a_damaged_slot_on_the_chip_leaves_the_older_state(port):
    with Talk(port) as talk:
        code = "from devid.store import TIME, Store\ns = Store('/damaged')\n"
        code += "for value in (b'1', b'2'): s.commit({TIME: (value,)})\n"
        code += "f = open('/damaged/b.slot', 'r+b'); f.seek(24); f.write(b'9'); f.close()\n"
        code += "print(Store('/damaged').read(TIME))"
        assert talk.run(code) == b"1"


def test_frozen_it_leaves_more_heap_when_an_identity_is_made(frozen_built, tmp_path):
    left = []
    for is_frozen, origin in ((False, "/lib/devid/__init__.mpy"), (True, "devid/__init__.py")):
        with machine(tmp_path, is_frozen) as port, Talk(port) as talk:
            talk.run(ENROL)
            assert talk.run("import devid; print(repr(devid.__file__))") == origin
            left.append(talk.run("import gc; gc.collect(); print(gc.mem_free())"))
    print(f"free of {HEAP}: {left[0]} from files, {left[1]} frozen")
    assert left[1] > left[0] + 8 * 1024
