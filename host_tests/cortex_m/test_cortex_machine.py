"""The machines themselves: what the tests and measurements on them rely on."""

import ast

import pytest
from estctl.cortex_m import Machine
from mpremote.transport_serial import SerialTransport

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("cortex_m_built")]


def run(port: str, code: str, reset: bool = True) -> object:
    """Run code on the machine; return what it printed, as a Python literal."""
    transport = SerialTransport(port, timeout=30)
    try:
        transport.enter_raw_repl(soft_reset=reset)
        return ast.literal_eval(transport.exec(code).decode())
    finally:
        transport.close()


def test_the_heap_is_as_large_as_asked_for():
    for name in ("cortex_m3", "cortex_m0"):
        with Machine(name, heap=96 * 1024) as machine:
            total = run(machine.port, "import gc; print(gc.mem_free() + gc.mem_alloc())")
        assert 93 * 1024 < total <= 96 * 1024


def test_the_disk_outlives_a_soft_reset():
    with Machine("cortex_m3", disk=1 << 18) as machine:
        run(machine.port, "open('/kept', 'w').write('x'); print(0)")
        assert run(machine.port, "import os; print(os.listdir('/'))") == ["kept"]
        assert run(machine.port, "import os; print(os.statvfs('/')[2])") == 64


def test_counted_instructions_repeat_exactly():
    # After a collection both runs find the same heap; the first one also compiles and interns.
    code = (
        "import gc, time\ndef f():\n gc.collect()\n s = time.ticks_cpu()\n"
        " for i in range(1000): i * i\n"
        " return time.ticks_diff(time.ticks_cpu(), s)\nf(); print([f(), f()])"
    )
    for name in ("cortex_m3", "cortex_m0"):
        with Machine(name, counted=True) as machine:
            first, second = run(machine.port, code)
        assert first > 1000
        assert abs(first - second) <= 2  # a tick is several instructions
