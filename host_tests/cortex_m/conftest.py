"""MicroPython on a Cortex-M in QEMU, built once; without it tests are skipped, with the reason."""

import pytest
from setup import cortex_m
from setup.progress import SetupError, complaint


@pytest.fixture(scope="session")
def cortex_m_built() -> None:
    try:
        cortex_m.provide()
    except SetupError as error:
        pytest.skip(f"no MicroPython for Cortex-M: {complaint(error)}")


@pytest.fixture(scope="session")
def frozen_built() -> None:
    """A cortex_m3 with the library of now in its firmware."""
    try:
        cortex_m.provide_frozen()
    except SetupError as error:
        pytest.skip(f"no MicroPython for Cortex-M to freeze into: {complaint(error)}")
