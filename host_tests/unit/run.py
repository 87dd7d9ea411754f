"""Runs unit-test files inside MicroPython: `micropython run.py HOST_TESTS MODULE [TEST ...]`.

Prints one JSON object a test: {"test", "outcome": "passed" | "failed" | "skipped", "text"}. The
pytest side (conftest.py) starts it and turns each line into a pytest result.
"""

import asyncio
import gc
import io
import json
import sys

host_tests = sys.argv[1]
sys.path[:] = [host_tests + "/unit", host_tests + "/../lib", host_tests + "/shim/unix", ".frozen"]

import checks  # noqa: E402

checks.HOST_TESTS = host_tests
gc.threshold(4096)  # as the board's boot.py, and for its reason


def _run(function):
    """Run one test; return (outcome, text)."""
    try:
        result = function()
        if hasattr(result, "send"):  # what an `async def` gives
            asyncio.run(asyncio.wait_for(result, 60))
    except checks.Skip as reason:
        return "skipped", str(reason)
    except Exception as error:
        text = io.StringIO()
        sys.print_exception(error, text)
        return "failed", text.getvalue()
    return "passed", ""


def _main(name, wanted):
    module = __import__(name)
    for test in wanted or sorted(dir(module)):
        function = getattr(module, test)
        if test.startswith("test_") and callable(function):
            gc.collect()
            outcome, text = _run(function)
            print(json.dumps({"test": test, "outcome": outcome, "text": text}))


_main(sys.argv[2], sys.argv[3:])
