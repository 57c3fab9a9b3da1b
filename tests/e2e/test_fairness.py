"""Small jobs beside large ones, on a worker that is full."""

import asyncio

import pytest

from headrace import JobClass, JobState

pytestmark = pytest.mark.timeout(180)

ITEMS = 5_000


@pytest.fixture
def small_worker(make_stack):
    """A stack with one worker that works on 20 items at once."""
    return lambda: make_stack(workers=1, worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": "20"})


async def fill(client, job_class):
    """Returns a job of many slow items once the worker is full of it."""
    job = await client.submit("noop", [{}] * ITEMS, {"sleep_ms": 1000}, job_class=job_class)
    async for event in client.watch(job.job_id):
        if event.progress.succeeded_count >= 20:
            return job
    raise AssertionError("the job ended")


async def succeed(client, job_id, seconds=30):
    async with asyncio.timeout(seconds):
        event = [event async for event in client.watch(job_id)][-1]
    assert event.state is JobState.SUCCEEDED


async def finished_count(client, job_id):
    return (await client.get(job_id)).progress.succeeded_count


async def test_an_interactive_item_gets_through_a_worker_full_of_bulk_work(small_worker, open_client):
    stack = await asyncio.to_thread(small_worker)
    hr = open_client(stack.gateway_target)
    bulk = await fill(hr, JobClass.BULK)
    before = await finished_count(hr, bulk.job_id)
    job = await hr.submit("noop", [{}], {"sleep_ms": 1000}, job_class=JobClass.INTERACTIVE)
    await succeed(hr, job.job_id)
    # A second until a place is free, a second for the item; and bulk work went on meanwhile.
    assert before < await finished_count(hr, bulk.job_id) <= before + 120
    await hr.cancel(bulk.job_id)


async def test_a_small_job_of_another_tenant_gets_through_a_worker_full_of_the_same_class(
    small_worker, open_client
):
    stack = await asyncio.to_thread(small_worker)
    large, small = (open_client(stack.gateway_target, tenant=tenant) for tenant in ("large", "small"))
    filling = await fill(large, JobClass.DEFAULT)
    before = await finished_count(large, filling.job_id)
    job = await small.submit("noop", [{}] * 10, {"sleep_ms": 1000}, job_class=JobClass.DEFAULT)
    await succeed(small, job.job_id)
    assert await finished_count(large, filling.job_id) <= before + 300
    await large.cancel(filling.job_id)
