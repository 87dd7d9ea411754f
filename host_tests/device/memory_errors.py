"""Raises MemoryError at lines of lib/, one a run, in CPython: `memory_errors.py FOLDER KIND N OF`.

KIND: "first", an enrolment, or "renewal". Of all lines that such a run executes every OFth is
tried, from the Nth one on. FOLDER holds device.json, which has to keep its credential. Prints a
JSON object: {"lines", "tried", "told", "recovered", "lost", "hangs", "foreign"}, the last three
with the lines; `told`: in words of our own, or as the MemoryError itself, which main.py tells.
"""

import asyncio
import gc
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from estctl import library

# isort: split
# Found once estctl has said where.
import devid
from devid import record
from devid.store import Store
from est_errors import EstError

LIB = str(library.LIB) + os.sep
LONGEST = 60  # seconds of one run


class Hang(BaseException):
    """A run took too long."""


def hangs(*_):
    raise Hang


def traced(run, see):
    """Run with `see(file, line)` called for each line of lib/ that is executed."""

    def lines(frame, event, _):
        if event == "line":
            see(frame.f_code.co_filename, frame.f_lineno)
        return lines

    def calls(frame, *_):
        return lines if frame.f_code.co_filename.startswith(LIB) else None

    sys.settrace(calls)
    try:
        run()
    finally:
        sys.settrace(None)


def once(kind):
    """Enrol or renew."""
    device = devid.DeviceIdentity.from_settings("device.json")
    asyncio.run(device.ensure() if kind == "first" else device.renew())


def state():
    """Return (identity, whether a slot looks damaged); raises what reading it raises."""
    store = Store("identity")
    return record.load(store), store.clean()


def main(folder, kind, first, step):
    """Try the lines; print what came of them."""
    os.chdir(folder)
    signal.signal(signal.SIGALRM, hangs)
    if kind == "renewal":
        once("first")
        shutil.copytree("identity", "before")
    seen = {}
    traced(lambda: once(kind), lambda *where: seen.setdefault(where))
    found = {"lines": len(seen), "tried": 0, "told": 0, "recovered": 0}
    found.update({"lost": [], "hangs": [], "foreign": []})
    for where in list(seen)[int(first) :: int(step)]:
        shutil.rmtree("identity", ignore_errors=True)
        if kind == "renewal":
            shutil.copytree("before", "identity")
        old = state()[0]
        text = f"{Path(where[0]).relative_to(LIB)}:{where[1]}"

        def fail(*here, where=where):
            if here == where:
                sys.settrace(None)
                raise MemoryError

        found["tried"] += 1
        signal.alarm(LONGEST)
        try:
            traced(lambda: once(kind), fail)
        except (EstError, MemoryError):
            found["told"] += 1
        except Hang:
            found["hangs"].append(text)
        except Exception as error:
            found["foreign"].append(f"{text}: {error!r}")
        finally:
            signal.alarm(0)
        try:
            identity, damaged = state()
            if damaged or (old and identity != old and (not identity or identity.key == old.key)):
                raise ValueError("damaged" if damaged else "another identity")
            once(kind)
            found["recovered"] += 1
        except Exception as error:
            found["lost"].append(f"{text}: {error!r}")
    print(json.dumps(found))


gc.collect = lambda: 0  # what a small heap needs often takes most of the time here
main(*sys.argv[1:])
