"""Mosquitto, an MQTT broker, and its clients, from Debian's packages.

`provide()` fills .interpreters/mosquitto. It is no part of `make setup`, but of the tests that
need a broker. Nothing is installed: the programs run through the loader and libraries of their
own packages.
"""

import tempfile
from pathlib import Path

from estctl import interpreters

from setup import debian
from setup.progress import SetupError, step

FOLDER = interpreters.FOLDER / "mosquitto"
_PROGRAMS = {
    "mosquitto": "usr/sbin/mosquitto",
    "mosquitto_pub": "usr/bin/mosquitto_pub",
    "mosquitto_sub": "usr/bin/mosquitto_sub",
}


def provide() -> None:
    """Unpack what is missing. Raises SetupError, with the reason, where it cannot be had."""
    if FOLDER.is_dir():
        return
    if not debian.available() or debian.release().get("ID") != "debian":
        raise SetupError("this is not Debian, so its packages cannot be fetched")
    suite, arch = debian.release().get("VERSION_CODENAME", ""), debian.architecture()
    interpreters.FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="mosquitto-", dir=interpreters.FOLDER) as name,
        step("Mosquitto: fetching Debian's packages, in a private folder"),
    ):
        work = Path(name)
        made = work / "made"
        wanted = ["mosquitto", "mosquitto-clients"]
        packages = debian.fetch_from_mirrors(work / "apt", suite, arch, wanted)
        debian.unpack(packages, made / "root")
        for script, program in _PROGRAMS.items():
            debian.make_wrapper(made / "root", program, made / script)
        made.chmod(0o755)
        made.rename(FOLDER)
