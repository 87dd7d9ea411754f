"""Runs an application on a simulated board: the compiled library in the heap of a small one."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from commands import Server, openssl
from estctl import interpreters, mpy
from probing import HOST_TESTS, LIB, der

HEAP = "96k"


def run(name: str, app: Path, server: Server, folder: Path, **wish: Any) -> dict[str, str]:
    """Run `app`, which enrols as its wish.json says; return what it printed.

    That is {"key", "certificate"} in hex: they belong together, says OpenSSL, and lie in `folder`.
    """
    program = interpreters.find(name)
    if program is None:
        pytest.skip(interpreters.why_missing(name))
    library = folder / "lib"
    for source in LIB.rglob("*.py"):
        inside = source.relative_to(LIB)
        target = (library / inside).with_suffix(".mpy")
        mpy.compile_file(source, target, str(inside), mpy.UNIX_MARCH[name])
    mpy.compile_file(app, library / "app.mpy", "app.py")
    shutil.copy(HOST_TESTS.parent / "boards/RPI_PICO_W/board_config.py", library)
    wish["anchors"] = [der(Path(server.anchors).read_bytes()).hex()]
    wish["port"] = int(server.url.rpartition(":")[2])
    wish["user"] = server.user
    wish["password"] = Path(server.password_file).read_text().strip()
    (folder / "wish.json").write_text(json.dumps(wish))
    command = [program, "-X", f"heapsize={HEAP}", "-c"]
    # As short as a board's: MicroPython keeps the path of each module that it loads.
    command += ["import sys; sys.path[:] = ['lib', '.frozen']; import app"]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    for what in ("key", "certificate"):
        (folder / what).write_bytes(bytes.fromhex(found[what]))
    public = openssl("pkey", "-inform", "DER", "-in", folder / "key", "-pubout")
    files = ["-inform", "DER", "-in", folder / "certificate"]
    assert public == openssl("x509", *files, "-noout", "-pubkey")
    return found
