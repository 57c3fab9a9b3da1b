"""A background task runs from its start to its stop."""

import asyncio
from contextvars import ContextVar, copy_context

import pytest

from services.shared.background_task import BackgroundTask

PLACE = ContextVar("PLACE", default="outside")


async def test_it_runs_until_it_is_stopped_and_then_has_ended():
    events: list[str] = []
    begun = asyncio.Event()

    async def run() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            events.append("ended")

    task = BackgroundTask(run, "work")
    task.start()
    await begun.wait()
    await task.stop()
    assert events == ["ended"]
    await task.stop()


async def test_a_task_that_was_not_started_can_be_stopped():
    async def run() -> None:
        raise AssertionError

    await BackgroundTask(run, "work").stop()


async def test_it_runs_in_the_given_context():
    seen = asyncio.get_running_loop().create_future()

    async def run() -> None:
        seen.set_result(PLACE.get())

    context = copy_context()
    context.run(PLACE.set, "inside")
    task = BackgroundTask(run, "work")
    task.start(context)
    assert await seen == "inside"
    await task.stop()


async def test_a_fault_that_ended_it_is_raised_at_the_stop():
    failed = asyncio.Event()

    async def run() -> None:
        failed.set()
        raise ValueError("no")

    task = BackgroundTask(run, "work")
    task.start()
    await failed.wait()
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="no"):
        await task.stop()
