"""Cuts the power at every flash operation of an action, in every mode; runs in MicroPython.

`micropython cut_everywhere.py HOST_TESTS MODULE [ERRNO]` runs the SCENARIOS of a module beside
this file and prints one JSON object each: {"name", "operations", "cuts", "old", "new", "lost"}. A
scenario is a class with three methods, on an empty littlefs at /flash (a real one, over
flash_chip.Memory):

    prepare()   writes the old state
    action()    leads to the new state; may be `async def`
    check()     returns "old" or "new", or raises: the identity is lost

For each cut the chip is set back to the old state, action() runs until the power fails, and the
chip is mounted anew, as a reboot does. check() then has to find one state or the other; action()
has to lead to the new state from there; and nothing may be left over that an action without a cut
leaves not. With ERRNO the chip refuses what is written instead: see refused_everywhere().
"""

import asyncio
import gc
import json
import os
import sys

BLOCKS = 64
ROOT = "/flash"


def cut_everywhere(scenario, prog=32):
    """Return what came of all cuts, as a dict (see above), with `problems`, a list of str.

    scenario: an object as above. prog: octets, the least that littlefs programs at once.
    """
    import flash_chip

    chip = flash_chip.Memory(BLOCKS)
    _on(chip, prog, scenario.prepare, new=True)
    before = chip.content
    chip = flash_chip.Memory(BLOCKS, before)
    _on(chip, prog, scenario.action)
    operations, files = chip.operations, None
    found = {"name": scenario.__class__.__name__, "operations": operations, "cuts": 0}
    found.update({"old": 0, "new": 0, "lost": 0})
    problems = []

    def finished():
        return scenario.check(), sorted(_tree(ROOT))

    state, files = _on(chip, prog, finished)
    if state != "new" or not operations:
        raise ValueError("%s: the action does not lead to the new state" % found["name"])
    for mode in flash_chip.MODES:
        for at in range(1, operations + 1):
            gc.collect()
            chip = flash_chip.Memory(BLOCKS, before)
            chip.cut(at, mode)
            try:
                _on(chip, prog, scenario.action)
            except flash_chip.PowerCut:
                pass
            if not chip.off:
                raise ValueError("%s: no operation %d" % (found["name"], at))
            found["cuts"] += 1
            where = "operation %d of %d: %s" % (at, operations, chip.off)
            # Another chip: what the collector closes late belongs to the one without power.
            chip = flash_chip.Memory(BLOCKS, chip.content)
            try:
                found[_on(chip, prog, scenario.check)] += 1
            except Exception as error:
                found["lost"] += 1
                problems.append("%s: lost: %r" % (where, error))
                continue
            try:
                _on(chip, prog, scenario.action)
                state, left = _on(chip, prog, finished)
                if (state, left) != ("new", files):
                    problems.append("%s: then it ends %s, %r" % (where, state, left))
            except Exception as error:
                problems.append("%s: cannot go on: %r" % (where, error))
    found["problems"] = problems
    return found


def refused_everywhere(scenario, errno, prog=32):
    """The same with a chip that refuses every operation from each one on, instead of a cut.

    errno: ENOSPC, as of a full flash, or EIO, as of one that is worn out. action() has to end in
    an EstError; and to lead to the new state once the chip takes what is written.
    """
    import flash_chip
    from est_errors import EstError

    chip = flash_chip.Memory(BLOCKS)
    _on(chip, prog, scenario.prepare, new=True)
    before = chip.content
    chip = flash_chip.Memory(BLOCKS, before)
    _on(chip, prog, scenario.action)
    found = {"name": scenario.__class__.__name__, "operations": chip.operations, "cuts": 0}
    found.update({"old": 0, "new": 0, "lost": 0, "told": 0, "errors": []})
    problems = []

    def refused():
        try:
            scenario.action()
        except EstError as error:
            found["told"] += 1
            if str(error) not in found["errors"]:
                found["errors"].append(str(error))

    for at in range(1, found["operations"] + 1):
        gc.collect()
        chip = flash_chip.Memory(BLOCKS, before)
        chip.refuse(at, errno)
        found["cuts"] += 1
        where = "operation %d of %d" % (at, found["operations"])
        try:
            _on(chip, prog, refused)
        except Exception as error:
            problems.append("%s: not in words: %r" % (where, error))
        chip = flash_chip.Memory(BLOCKS, chip.content)
        try:
            found[_on(chip, prog, scenario.check)] += 1
            _on(chip, prog, scenario.action)
            if _on(chip, prog, scenario.check) != "new":
                problems.append(where + ": it does not go on")
        except Exception as error:
            found["lost"] += 1
            problems.append("%s: lost: %r" % (where, error))
    found["problems"] = problems
    return found


def _on(chip, prog, step, new=False):
    """Run a step with the chip mounted, and return what it returns."""
    import flash_chip
    import vfs

    flash_chip.mounted(chip, ROOT, prog, new)
    try:
        result = step()
        if hasattr(result, "send"):  # what an `async def` gives
            result = asyncio.run(result)
        return result
    finally:
        vfs.umount(ROOT)


def _tree(folder):
    """Yield the path of each file below a folder."""
    for entry in os.ilistdir(folder):
        path = folder + "/" + entry[0]
        if entry[1] == 0x4000:
            yield from _tree(path)
        else:
            yield path


def _main(host_tests, module, errno=None):
    sys.path[1:1] = [host_tests + part for part in ("/../lib", "/shim/board", "/unit")]
    import checks

    checks.HOST_TESTS = host_tests
    for scenario in __import__(module).SCENARIOS:
        for prog in (32, 256):  # as on ESP32, and as on RP2040
            if errno:
                found = refused_everywhere(scenario(), int(errno), prog)
            else:
                found = cut_everywhere(scenario(), prog)
            found["prog"] = prog
            print(json.dumps(found))


if __name__ == "__main__":
    _main(*sys.argv[1:])
