"""SHA-512 in the chips' own machine code: rightly, and much faster than on big integers."""

import hashlib

import pytest
from estctl import library
from estctl.cortex_m import Machine
from estctl.mpy import compile_file
from mpremote.romfs import VfsRomWriter
from onboard import Talk

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("cortex_m_built")]

MESSAGE = bytes(i * i & 255 for i in range(1200))  # as long as a certificate
CODE = """\
import time
from pki import sha512, sha512_portable, sha512_viper
message = bytes([i * i & 255 for i in range(1200)])
def run(engine):
    hasher = sha512.Sha512(False, engine)
    started = time.ticks_cpu()
    hasher.update(message)
    digest = hasher.digest()
    return digest, time.ticks_diff(time.ticks_cpu(), started)
print([sha512.works(sha512_viper), run(None), run(sha512_viper), run(sha512_portable)])
"""


def rom(march, folder):
    """A ROM file system with SHA-512 in it."""
    names = ["heap.py", "pki/__init__.py"]
    names += [f"pki/{path.name}" for path in sorted((library.LIB / "pki").glob("sha512*.py"))]
    writer = VfsRomWriter()
    for name in names:
        target = (folder / name).with_suffix(".mpy")
        compile_file(library.LIB / name, target, name, march)
        if name == "pki/__init__.py":
            writer.opendir("pki")
        writer.mkfile(target.name, target.read_bytes())
    writer.closedir()
    return bytes(writer.finalise())


@pytest.mark.parametrize(("name", "march"), [("cortex_m0", "armv6m"), ("cortex_m3", "armv7m")])
def test_sha512_on_the_chip(name, march, tmp_path):
    image = rom(march, tmp_path)
    with Machine(name, rom=image, counted=True) as machine, Talk(machine.port) as talk:
        works, chosen, fast, portable = talk.run(CODE)
    assert works
    assert chosen[0] == fast[0] == portable[0] == hashlib.sha512(MESSAGE).digest()
    print(f"{name}: {portable[1] / fast[1]:.1f} times faster")
    assert portable[1] > 25 * max(fast[1], chosen[1])
