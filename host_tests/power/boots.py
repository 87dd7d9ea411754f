"""Whole boots of a simulated board from a littlefs image, with power cuts."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from estctl import files, flash, simulation
from estctl.mpy import UNIX_MARCH

MODES = ("before", "torn", "after")


class Board:
    """A board's image that is ready to boot. settings, stored: see simulation.write_settings."""

    def __init__(
        self,
        image: Path,
        settings: dict[str, Any],
        stored: dict[str, bytes] | None = None,
        interpreter: str = "micropython",
        app: str | None = None,
    ) -> None:
        self.image, self.interpreter = image, interpreter
        march = UNIX_MARCH[simulation.INTERPRETERS[interpreter] or ""]
        library = flash.library_folder("UNIX", march)
        simulation.prepare(library, "UNIX", True, march)
        with flash.opened(image) as chip:
            simulation.write_settings(chip.folder, settings, stored or {})
            if app is not None:
                (chip.folder / "app.py").write_text(app)
            chip.put(library)
            chip.put()

    def boot(self, **how: Any) -> simulation.Boot:
        """Boot once; `how`: more arguments of simulation.boot."""
        echo, heap = how.pop("echo", lambda line: None), how.pop("heap", None)
        return simulation.boot(self.image, self.interpreter, heap, False, echo, **how)


def settings_for(server: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return device.json, and the files that it names, of a device of a development server."""
    password = Path(server.password_file).read_text().strip()
    anchors = b"".join(files.read_certificates(Path(server.anchors), "--anchors"))
    return {
        "url": server.url,
        "subject": "CN=device-{unique_id}",
        "ntp": False,
        "trust": {"anchors": "anchors.der"},
        "credential": {"user": server.user, "password": password, "keep": True},
    }, {"anchors.der": anchors}


def cut_boots(board: Board, positions: Iterable[int] | None, total: int) -> dict[str, int]:
    """Cut the power of a boot at each position (None: all), in each mode, and boot again.

    total: operations of a boot without a cut. Returns {"cuts", "old", "new"}: how often the boot
    after the cut found nothing to do ("new"), or did it itself ("old"). Raises AssertionError
    where that boot fails.
    """
    found = {"cuts": 0, "old": 0, "new": 0}
    before = board.image.with_suffix(".before")
    shutil.copy(board.image, before)
    for at in positions or range(1, total + 1):
        for mode in MODES:
            shutil.copy(before, board.image)
            went = board.boot(power_cut=(at, mode))
            assert went.report and went.report["failure"] == "PowerCut", went
            found["cuts"] += 1
            again = board.boot()
            assert again.report and again.report["failure"] is None, (at, mode, again)
            assert again.report["status"]["enrolled"], (at, mode, again)
            found["new" if "identity: unchanged" in again.lines else "old"] += 1
    return found
