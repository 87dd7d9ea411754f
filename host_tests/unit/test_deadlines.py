"""A deadline around steps that have deadlines of their own, as every exchange has them."""

import asyncio

import tls_stream  # noqa: F401 - in CPython the shim beneath it mends asyncio.wait_for


async def _nap():
    await asyncio.sleep(0)


async def _trickle():
    for _ in range(100000):
        await asyncio.wait_for(_nap(), 5)
    raise AssertionError("the deadline was lost: a step was done when it came")


async def test_steps_that_are_always_just_done_do_not_outlast_the_deadline():
    for _ in range(20):
        try:
            await asyncio.wait_for(_trickle(), 0.02)
        except asyncio.TimeoutError:
            continue
        raise AssertionError("no deadline came")
