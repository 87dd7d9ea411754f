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
