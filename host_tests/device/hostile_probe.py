"""Many lives in one interpreter: `hostile_probe.py LIB...`; a JSON object a line, in and out.

In: {"do", "limits"}, and for "ensure" and "renew" of devid.DeviceIdentity: flash (the folder with
device.json), max_wait; for an operation of est.Client what probe.py takes. Out: {"result"}, or
{"error", "class"} of an error of est_errors, or {"foreign"}: the traceback of any other exception.
"""

import gc
import io
import json
import os
import sys

sys.path[:0] = sys.argv[1:]

import asyncio  # noqa: E402

import est_errors  # noqa: E402
import probe  # noqa: E402

if hasattr(gc, "mem_free"):
    gc.threshold(4096)  # as the board's boot.py, and for its reason


async def _live(wish):
    import devid

    os.chdir(wish["flash"])
    device = devid.DeviceIdentity.from_settings("device.json", probe._limits(wish["limits"]))
    if wish["do"] == "renew":
        return await device.renew()
    return await device.ensure(wish.get("max_wait", 0))


async def _do(wish):
    if "flash" in wish:
        return await _live(wish)
    wish["operations"] = [wish.pop("do")]
    return (await probe._perform(wish))["results"][0]


def _traceback(error):
    text = io.StringIO()
    if hasattr(sys, "print_exception"):
        sys.print_exception(error, text)
    else:
        import traceback

        text.write("".join(traceback.format_exception(error)))
    return text.getvalue()


for line in sys.stdin:
    try:
        outcome = {"result": asyncio.run(_do(json.loads(line)))}
    except est_errors.EstError as error:
        outcome = {"error": str(error), "class": error.__class__.__name__}
    except Exception as error:
        outcome = {"foreign": _traceback(error)}
    gc.collect()
    print(json.dumps(outcome))
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()
