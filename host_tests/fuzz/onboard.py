"""Gives files to one target inside MicroPython: `micropython onboard.py HOST_TESTS TARGET`.

The files' names come on standard input, one a line. Prints one JSON object a file: {"file",
"outcome", "digest"}. The outcome is targets.run()'s, or "MemoryError"; anything else ends it.
"""

import gc
import json
import sys

host_tests = sys.argv[1]
sys.path[:] = [host_tests + "/fuzz", host_tests + "/../lib", host_tests + "/shim/unix", ".frozen"]

gc.threshold(4096)  # as the board's boot.py, and for its reason

import targets  # noqa: E402

for line in sys.stdin:
    name = line.strip()
    with open(name, "rb") as file:
        octets = file.read()
    gc.collect()
    try:
        outcome, digest = targets.run(sys.argv[2], octets)
    except MemoryError:
        outcome, digest = "MemoryError", ""
    print(json.dumps({"file": name, "outcome": outcome, "digest": digest}))
