"""Makes the helpers in this folder importable below it; adds --torture, and prints its table.

The plugin leaks.py watches that no secret gets into what a program says.
"""

import gc
import os
from dataclasses import asdict

import leaks
import pytest
import tally as tallies


def pytest_addoption(parser):
    parser.addoption(
        "--torture",
        action="store_true",
        help="run on every interpreter what is only sampled on MicroPython otherwise",
    )


def pytest_xdist_auto_num_workers(config):
    """One more than there are processors: tests of networks wait more than they work."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config):
    config.pluginmanager.register(leaks)


@pytest.fixture
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether everything is wanted on every interpreter: `pytest --torture`, `make torture`."""
    return request.config.getoption("--torture")


@pytest.fixture
def tally(request: pytest.FixtureRequest):
    """Counts for the table of a hostile world; the test sets `subject`, counts, and asserts."""
    counts = tallies.Tally()
    yield counts
    request.node.user_properties.append(("tally", asdict(counts)))


_rows: dict[str, tallies.Tally] = {}


_terminal = None  # of the process that collects the workers' reports


def pytest_sessionstart(session):
    """Find the terminal, which a worker has not."""
    global _terminal
    if not hasattr(session.config, "workerinput"):
        _terminal = session.config.pluginmanager.get_plugin("terminalreporter")


def pytest_collection_finish(session):
    """Spare the collector what pytest holds: lib/ calls it often, and it took 0.2 s each time."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report):
    """Collect what tests counted, from all workers: properties travel with their reports.

    A failure is told at once, too: a run that is stopped later has no summary.
    """
    if report.failed and _terminal:
        _terminal.write_line(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}")
    if report.when == "teardown":
        for name, counts in report.user_properties:
            if name == "tally":
                row = tallies.Tally(**counts)
                _rows.setdefault(row.subject, tallies.Tally(row.subject)).add(row)


def pytest_terminal_summary(terminalreporter, config):
    """Print the table, where tests counted; not on a worker, whose rows the main process has."""
    if _rows and not hasattr(config, "workerinput"):
        rows = dict(sorted(_rows.items()))
        tallies.write(rows)
        amount = (
            "all of it" if config.getoption("--torture") else "a sample; make torture tries all"
        )
        terminalreporter.section(f"a hostile world: {amount}")
        for line in tallies.table(rows):
            terminalreporter.write_line(line)
