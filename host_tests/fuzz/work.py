"""How much work a function does: the lines of Python that it executes, and its memory at most."""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

from tally import Tally
from targets import run


class TooMuchWork(Exception):
    """It was stopped: it did more than it may."""


def lines(function: Callable[[], object], most: int) -> int:
    """Call a function; return how many lines it executed. Raises TooMuchWork beyond `most`.

    What runs in C is one step, however much it does: memory() sees the copies that it makes.
    """
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        code = frame.f_code
        if code.co_name == "<module>" or "importlib" in code.co_filename:  # loaded on the way
            return None
        if event == "line":
            count += 1
            if count > most:
                raise TooMuchWork(f"more than {most} lines, at {code.co_name}")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def memory(function: Callable[[], object]) -> int:
    """Call a function; return the bytes that it had allocated at its peak."""
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# Lines of Python that a target may execute: some for its own sake, and some for each octet of its
# input. Half as much again as was measured, by growing.CASES and a thousand structures each. The
# targets that read a body read it twice; "x509" reads a certificate with 20 readers, and "der" BER
# that is 18 levels deep once for each level.
BOUNDS = {
    "body": (3000, 62),
    "challenge": (1000, 52),
    "cmc": (20000, 4),  # a verification with P-256
    "cmc_status": (4000, 18),  # 16 controls at most, each of them read twice
    "cms": (3000, 4),
    "crl": (3000, 25),
    "csrattrs": (4000, 122),
    "der": (1000, 218),
    "enveloped": (3000, 28),
    "enveloped_ecdh": (60000, 2),  # up to four of them
    "http": (4000, 75),
    "identity": (1000, 22),
    "location": (1000, 7),
    "multipart": (3000, 52),
    "name": (1000, 44),
    "name_constraints": (155000, 4),  # each name with each base: bounded in itself
    "pending": (1000, 22),
    "private_key": (20000, 2),  # a multiplication on P-256
    "settings": (4000, 4),
    "slot": (3000, 1),
    "wish": (1000, 120),
    "x509": (3000, 177),
}
_OTHERS = (2000, 18)


def bound(name: str, size: int) -> int:
    """Return how many lines a target may execute for so many octets."""
    constant, per_octet = BOUNDS.get(name, _OTHERS)
    return constant + per_octet * size


def counted(name: str, octets: bytes, tally: Tally) -> str:
    """Give octets to a target, which must keep to its bound; return how it ended, and count it.

    Raises AssertionError, with the octets, where anything but an error of est_errors leaves it.
    """
    tally.tried += 1
    found: list[str] = []
    most = bound(name, len(octets))
    try:
        lines(lambda: found.append(run(name, octets)[0]), most)
    except TooMuchWork as error:
        tally.hangs += 1
        raise AssertionError(
            f"{name}: {error}, for {len(octets)} octets:\n{octets.hex()}"
        ) from None
    except Exception as error:
        tally.foreign_exceptions += 1
        raise AssertionError(f"{name}: {error!r} left it, for\n{octets.hex()}") from error
    return found[0]
