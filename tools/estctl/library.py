"""Makes the board's library importable here: lib/ itself, and the shim for what CPython lacks.

The package imports this module first of all.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIB = ROOT / "lib"
FIRMWARE = ROOT / "firmware"
BOARDS = ROOT / "boards"
SHIM = ROOT / "host_tests" / "shim"

for _folder in (LIB, SHIM / "cpython", BOARDS / "UNIX"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))


def board_config(board: str) -> Path:
    """Return a board's board_config.py. Raises ConfigError, which names the boards there are."""
    from est_errors import ConfigError

    config = BOARDS / board / "board_config.py"
    if not config.is_file():
        known = sorted(path.parent.name for path in BOARDS.glob("*/board_config.py"))
        raise ConfigError(f"--board {board} is unknown; known are {', '.join(known)}")
    return config
