"""heap: modules that have served leave, wherever on the C stack that is asked for."""

import asyncio
import sys

import heap


def _at(depth, call):
    return _at(depth - 1, call) if depth else call()


def test_a_module_leaves_its_package_too():
    from pki import rfc6979, x509

    assert rfc6979 and x509
    heap.forget("pki.rfc6979", "not.there")
    assert "pki.rfc6979" not in sys.modules and not hasattr(sys.modules["pki"], "rfc6979")
    assert "pki.x509" in sys.modules
    from pki import rfc6979 as again

    assert again is not rfc6979


def test_all_modules_of_a_package_leave():
    from pki import rfc6979, x509

    assert rfc6979 and x509
    heap.forget("pki.")
    assert [name for name in sys.modules if name.startswith("pki.")] == []
    assert "pki" in sys.modules


def test_near_the_end_of_the_c_stack_nothing_fails():
    left = 0
    try:
        while True:
            _at(left + 1, heap.gc.collect)
            left += 1
    except RuntimeError:
        pass
    assert left > 40
    for margin in (16, 12, 8):
        _at(left - margin, heap.forget)


async def test_what_was_awaited_is_written_over_from_any_depth():
    async def deep(depth):
        await (deep(depth - 1) if depth else heap.write_over())

    await deep(5)
    await asyncio.create_task(heap.write_over())


async def test_writing_over_waits_for_nothing_on_standard_input():
    # In the unix port a stream that says 0 to "which file descriptor?" (10) stands for that one.
    assert heap._Ready().ioctl(10, 0) < 0
    assert heap._Ready().ioctl(3, 1) == 1
    await asyncio.wait_for(heap.write_over(), 5)
