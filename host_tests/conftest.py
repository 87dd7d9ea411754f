"""Makes the helpers in this folder importable below it; adds --torture, and prints its table.

The plugin leaks.py watches that no secret gets into what a program says.
"""

import gc
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import leaks
import pytest
import tally as tallies

# What takes longest is begun first, or all other workers wait for it in the end; then the files
# with most tests. Those in the first line take long in `make torture` alone.
FIRST = (
    ("test_soak", "test_faulty_network", "test_lying_servers", "test_memory_errors", "test_life"),
    ("test_firmware_build", "test_device_scenarios", "test_limits", "test_psk", "test_fleet"),
    ("test_small_heaps", "test_ecdsa_nist", "test_path", "test_revocation", "test_parsers"),
)


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


def pytest_collection_modifyitems(config, items):
    """Put the files in the order in which they are to be begun; that of their tests stays."""
    lines = FIRST if config.getoption("--torture") else FIRST[1:]
    names = [name for line in lines for name in line]
    tests = Counter(item.path for item in items)

    def place(item):
        path: Path = item.path
        if path.stem in names:
            return names.index(path.stem), 0, str(path)
        return len(names), -tests[path], str(path)

    items.sort(key=place)


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
