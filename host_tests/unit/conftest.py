"""One suite, two runners: each unit-test file runs in CPython and in every MicroPython found.

The files hold plain functions and import nothing of pytest. In CPython pytest calls them itself;
under MicroPython `run.py` runs a whole file in one process, and each test is one pytest item.
"""

import asyncio
import inspect
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HOST_TESTS = Path(__file__).resolve().parent.parent
ROOT = HOST_TESTS.parent
sys.path[:0] = [str(path) for path in (ROOT / "lib", HOST_TESTS / "shim/cpython", ROOT / "tools")]

import checks  # noqa: E402
from estctl import interpreters  # noqa: E402

checks.HOST_TESTS = str(HOST_TESTS)

# The heap of a small board, so that a test that needs more fails here and not in the field.
HEAP = "160k"
FILE_DEADLINE = 240  # seconds for one file in one interpreter


def pytest_pycollect_makemodule(module_path, parent):
    return UnitModule.from_parent(parent, path=module_path)


class UnitModule(pytest.Module):
    """A test file: its functions for CPython, and one item a test and interpreter."""

    def collect(self):
        items = list(super().collect())
        names = [item.name for item in items]
        yield from items
        for interpreter in ("unix", "unix32"):
            run = InterpreterRun(interpreter, self.path.stem)
            for name in names:
                yield MicroPythonItem.from_parent(
                    self, name=f"{name}[{interpreter}]", run=run, test=name
                )


class InterpreterRun:
    """All tests of one file in one interpreter, run at the first use."""

    def __init__(self, interpreter, module):
        self.interpreter, self.module = interpreter, module
        self._results = None

    def result(self, test):
        if self._results is None:
            self._results = self._run()
        results, output = self._results
        return results.get(test) or {"outcome": "failed", "text": f"did not run:\n{output}"}

    def _run(self):
        program = interpreters.find(self.interpreter)
        if program is None:
            pytest.skip(interpreters.why_missing(self.interpreter))
        command = [program, "-X", f"heapsize={HEAP}", HOST_TESTS / "unit/run.py"]
        try:
            with tempfile.TemporaryDirectory() as folder:  # for the tests that write files
                done = subprocess.run(
                    [str(part) for part in [*command, HOST_TESTS, self.module]],
                    capture_output=True,
                    text=True,
                    timeout=FILE_DEADLINE,
                    cwd=folder,
                    check=False,
                )
        except subprocess.TimeoutExpired as error:
            return {}, str(error)
        lines = [json.loads(x) for x in done.stdout.splitlines() if x.startswith('{"')]
        return {line["test"]: line for line in lines}, done.stdout + done.stderr


class MicroPythonItem(pytest.Item):
    """One test in one MicroPython interpreter."""

    def __init__(self, *, run, test, **kwargs):
        super().__init__(**kwargs)
        self._run, self._test = run, test

    def runtest(self):
        result = self._run.result(self._test)
        if result["outcome"] == "skipped":
            pytest.skip(result["text"])
        if result["outcome"] == "failed":
            raise MicroPythonFailure(result["text"])

    def repr_failure(self, excinfo, style=None):
        if isinstance(excinfo.value, MicroPythonFailure):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, None, self.name


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Let the tests that write files do so where nothing else is."""
    monkeypatch.chdir(tmp_path)


class MicroPythonFailure(Exception):
    """The traceback of a test that failed under MicroPython."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a CPython test, `async def` or not; turn Skip into pytest's."""
    if not isinstance(pyfuncitem.parent, UnitModule):
        return None
    try:
        result = pyfuncitem.obj()
        if inspect.iscoroutine(result):
            asyncio.run(asyncio.wait_for(result, 60))
    except checks.Skip as reason:
        pytest.skip(str(reason))
    return True
