"""What the tests put onto a Cortex-M machine, and how they talk to it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from estctl import library
from estctl.mpy import MARCHES, compile_file
from mpremote.transport_serial import SerialTransport

# QEMU's machines have no random numbers, and MicroPython's port for them no os.urandom. So this
# stands in for it: a hash of a counter and of a seed that the test takes from the host. It is good
# enough to try the library with, and for nothing else.
URANDOM = """\
from uos import *
import hashlib
_count = 0
def urandom(count):
    global _count
    out = b""
    while len(out) < count:
        _count += 1
        out += hashlib.sha256(b"%s" + _count.to_bytes(4, "big")).digest()
    return out[:count]
"""


class Talk:
    """Raw REPL on a machine's port, after a soft reset; a context manager."""

    def __init__(self, port: str) -> None:
        self.transport = SerialTransport(port, timeout=30)
        self.transport.enter_raw_repl()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.transport.close()

    def run(self, code: str, deadline: int = 600) -> object:
        """Run code; return what it printed, as a Python literal, or None."""
        out, error = self.transport.exec_raw(code, timeout=deadline)
        assert not error, error.decode()
        return ast.literal_eval(out.decode()) if out.strip() else None

    def put(self, path: str, content: bytes) -> None:
        self.transport.fs_writefile(path, content, chunk_size=1024)

    def get(self, path: str) -> bytes:
        return bytes(self.transport.fs_readfile(path, chunk_size=1024))


def put_urandom(talk: Talk) -> None:
    talk.put("/lib/os.py", (URANDOM % os.urandom(16).hex()).encode())


def put_library(talk: Talk, names: list[str], folder: Path) -> None:
    """Put modules of lib/ into /lib as .mpy. folder: where they may be compiled."""
    for path in ["/lib", *sorted({f"/lib/{name.split('/')[0]}" for name in names if "/" in name})]:
        talk.transport.fs_mkdir(path)
    march = MARCHES[talk.run("import sys; print(sys.implementation._mpy >> 10 & 15)")]
    for name in names:
        target = (folder / name).with_suffix(".mpy")
        compile_file(library.LIB / name, target, name, march)
        talk.put("/lib/" + name.replace(".py", ".mpy"), target.read_bytes())


def estctl(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run estctl to its end."""
    return subprocess.run(
        [sys.executable, "-m", "estctl", *(str(argument) for argument in arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
