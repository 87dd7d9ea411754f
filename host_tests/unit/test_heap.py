"""heap: modules that have served leave, wherever on the C stack that is asked for."""

import asyncio
import sys

import heap


def _with(roomy, call):
    """Call with a heap that has much room, or little, whatever this interpreter's has."""
    before, heap._roomy = heap._roomy, roomy
    try:
        return call()
    finally:
        heap._roomy = before


def _forget(*modules):
    _with(False, lambda: heap.forget(*modules))


def _at(depth, call):
    return _at(depth - 1, call) if depth else call()


def test_a_module_leaves_its_package_too():
    from pki import rfc6979, x509

    assert rfc6979 and x509
    _forget("pki.rfc6979", "not.there")
    assert "pki.rfc6979" not in sys.modules and not hasattr(sys.modules["pki"], "rfc6979")
    assert "pki.x509" in sys.modules
    from pki import rfc6979 as again

    assert again is not rfc6979


def test_all_modules_of_a_package_leave():
    from pki import rfc6979, x509

    assert rfc6979 and x509
    _forget("pki.")
    assert [name for name in sys.modules if name.startswith("pki.")] == []
    assert "pki" in sys.modules


def test_a_module_that_failed_to_load_leaves_its_ballast():
    # MicroPython's table of modules keeps it, unseen. (In CPython mem_free() is constant.)
    for _ in range(2):
        _forget()
        before = heap.gc.mem_free()
        try:
            import fails_to_load
        except ValueError:
            fails_to_load = None
        assert fails_to_load is None and "fails_to_load" not in sys.modules
        _forget()
        assert before - heap.gc.mem_free() < 5000  # of 20,000


def test_no_name_is_left_in_the_table_of_modules():
    names = set(sys.modules)
    _forget()
    assert set(sys.modules) == names


def test_a_heap_with_much_room_keeps_them():
    from pki import rfc6979

    _with(True, lambda: heap.forget("pki."))
    from pki import rfc6979 as again

    assert again is rfc6979 and "pki.rfc6979" in sys.modules


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
        _at(left - margin, _forget)


async def test_what_was_awaited_is_written_over_from_any_depth():
    async def deep(depth):
        await (deep(depth - 1) if depth else heap.write_over())

    before, heap._roomy = heap._roomy, False
    try:
        await deep(5)
        await asyncio.create_task(heap.write_over())
    finally:
        heap._roomy = before


async def test_writing_over_waits_for_nothing_on_standard_input():
    # In the unix port a stream that says 0 to "which file descriptor?" (10) stands for that one.
    assert heap._Ready().ioctl(10, 0) < 0
    assert heap._Ready().ioctl(3, 1) == 1
    before, heap._roomy = heap._roomy, False
    try:
        await asyncio.wait_for(heap.write_over(), 5)
    finally:
        heap._roomy = before
