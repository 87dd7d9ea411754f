"""What the library costs, in counts and sizes: no figure 5 % worse than in limits.json.

The figures are those of `make bench` and `make size`, under the same names. After a change that
makes one of them better, write the better one into limits.json.
"""

import json
from pathlib import Path

import bench
import cacerts_cost
import p256_cost
import pytest
import size
from estctl import interpreters
from setup import cortex_m
from setup.progress import SetupError, complaint

pytestmark = pytest.mark.timeout(600)

LIMITS = json.loads((Path(__file__).parent / "limits.json").read_text())
WORSE = 1.05


def too_much(where, figures):
    """Return what is more than 5 % above its limit, with both."""
    limits = LIMITS[where]
    return {
        name: (figures[name], limits[name])
        for name in limits.keys() & figures.keys()
        if figures[name] > limits[name] * WORSE
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("limits")


@pytest.fixture(scope="module")
def chips(folder):
    """Skip, with the reason, where there is no MicroPython for Cortex-M."""
    try:
        cortex_m.provide()
    except SetupError as error:
        pytest.skip(f"no MicroPython for Cortex-M: {complaint(error)}")


def test_a_figure_is_too_much_from_5_percent_above_its_limit_on():
    limit = LIMITS["unix32"]["first_boot_heap_kib"]
    assert not too_much("unix32", {"first_boot_heap_kib": limit * 1.04})
    assert too_much("unix32", {"first_boot_heap_kib": limit * 1.06})
    assert too_much("unix32", {"first_boot_handshakes": 2})


def test_the_compiled_library(folder):
    figures = size.summary(size.weigh(folder / "mpy"))
    assert LIMITS["size"].keys() <= figures.keys()
    assert not too_much("size", figures)


def test_a_first_boot_and_a_renewal(folder):
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    limits = LIMITS["unix32"]
    heap = int(limits["first_boot_heap_kib"] * WORSE)
    server, process = bench.server(folder)
    try:
        figures = bench.connections(folder, server, "unix32")
        went = bench.first_boot(
            folder, server, "unix32", "--fingerprint", server["fingerprint"], "--heap", f"{heap}k"
        )
    finally:
        process.terminate()
        process.wait(30)
    assert went, f"a first boot does not go in {heap} KiB"
    assert figures.keys() | {"first_boot_heap_kib", "cacerts_heap_growth_bytes"} == limits.keys()
    assert not too_much("unix32", figures)


def test_a_large_answer_to_cacerts(folder):
    if interpreters.find("unix32") is None:
        pytest.skip(interpreters.why_missing("unix32"))
    growth, _ = cacerts_cost.growth(folder)
    assert not too_much("unix32", {"cacerts_heap_growth_bytes": growth})


@pytest.mark.parametrize("engine", list(p256_cost.ENGINES))
def test_instructions_of_p256_on_a_cortex_m0(folder, chips, engine):
    figures = bench.instructions(p256_cost.chip("cortex_m0", engine, False, folder), engine)
    assert len(figures) == 3 and figures.keys() <= LIMITS["cortex_m0"].keys()
    assert not too_much("cortex_m0", figures)


def test_heap_and_garbage_of_p256_on_a_cortex_m3(folder, chips):
    took = p256_cost.chip("cortex_m3", "viper", False, folder)
    figures = {
        "keygen_garbage_kib": took["garbage_bytes"] / 1024,
        "p256_heap_kib": p256_cost.heap(folder) / 1024,
    }
    assert figures.keys() == LIMITS["cortex_m3"].keys()
    assert not too_much("cortex_m3", figures)
