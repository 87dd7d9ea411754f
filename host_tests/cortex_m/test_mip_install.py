"""Installing by hand, with the README's own commands: `mpremote mip install`, onto a chip."""

import json
import re
import shlex
import subprocess
import sys

import pytest
from estctl import library
from estctl.cortex_m import Machine
from onboard import Talk, estctl, put_urandom

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("cortex_m_built")]

# The commands of the README, after `mpremote`.
COMMANDS = re.findall(r"(?m)^mpremote ([^#\n]+)", (library.ROOT / "README.md").read_text())
MODULES = {path.relative_to(library.LIB).as_posix(): path for path in library.LIB.rglob("*.py")}


def mpremote(port, *arguments):
    """Run mpremote in the checkout, on the machine; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *arguments],
        cwd=library.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr


WALK = """\
import os
def walk(folder):
    for name, kind, *_ in os.ilistdir(folder):
        if kind & 0x4000:
            yield from walk(folder + "/" + name)
        else:
            yield folder + "/" + name
print(list(walk("/lib")))
"""


@pytest.fixture(scope="module")
def port(cortex_m_built):
    """A machine onto which mip has installed package.json from the current folder."""
    assert COMMANDS[0].split() == ["mip", "install", "package.json"]
    with Machine("cortex_m3", disk=1 << 20) as machine:
        mpremote(machine.port, *shlex.split(COMMANDS[0]))
        yield machine.port


def test_mip_installs_the_library_from_a_folder_and_it_runs(port, tmp_path):
    with Talk(port) as talk:
        found = {name.removeprefix("/lib/"): talk.get(name) for name in talk.run(WALK)}
    assert found == {name: path.read_bytes() for name, path in MODULES.items()}

    settings = tmp_path / "device.json"
    settings.write_text(json.dumps({"url": "https://est.example", "subject": "CN=pump-7"}))
    for command in COMMANDS[1:]:
        mpremote(port, *shlex.split(command.replace("device.json", str(settings))))
    with Talk(port) as talk:
        put_urandom(talk)
        assert talk.run("import est_limits; print(est_limits.CHUNK_SIZE)") == 1024
        found = talk.run("import os; print(os.listdir('/'))")
    assert {"boot.py", "main.py", "wifi.py", "device.json"} <= set(found)
    done = estctl("device-status", "--port", port, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["enrolled"] is False


def test_deploy_takes_over_from_mip(port):
    # A .py is loaded instead of the .mpy beside it: none of ours may stay.
    done = estctl("deploy", "--port", port, "--board", "RPI_PICO_W", "--library-only", "--json")
    assert done.returncode == 0, done.stderr
    assert {f"/lib/{name}" for name in MODULES} <= set(json.loads(done.stdout)["removed"])
    with Talk(port) as talk:
        left = {name for name in talk.run(WALK) if name.endswith(".py")}
    assert left == {"/lib/os.py"}  # a file of others
