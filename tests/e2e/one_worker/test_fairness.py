"""Small jobs next to large ones, on a worker that is full."""

import asyncio

import pytest

from headrace import InvalidArgumentError, JobClass, JobState

pytestmark = pytest.mark.timeout(180)

ITEMS = 5_000


async def fill(client, job_class):
    """Submits a job of many slow items and returns it once the worker runs nothing else."""
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


async def test_an_interactive_item_gets_through_a_worker_full_of_bulk_work(hr):
    bulk = await fill(hr, JobClass.BULK)
    before = await finished_count(hr, bulk.job_id)
    job = await hr.submit("noop", [{}], {"sleep_ms": 1000}, job_class=JobClass.INTERACTIVE)
    await succeed(hr, job.job_id)
    # A second until a slot is free and a second for the item. Bulk work continued meanwhile.
    assert before < await finished_count(hr, bulk.job_id) <= before + 120
    await hr.cancel(bulk.job_id)


async def test_items_of_a_tenant_that_sleep_for_a_minute_keep_no_other_tenant_waiting(
    one_worker, open_client
):
    sleeping, small = (open_client(one_worker.gateway_target, tenant=name) for name in ("sleeping", "small"))
    flood = await sleeping.submit("noop", [{}] * 500, {"sleep_ms": 60_000})
    async with asyncio.timeout(30):
        while sum(worker.in_flight_count for worker in await small.workers()) < 20:
            await asyncio.sleep(0.1)
    for count in (1, 10):
        job = await small.submit("noop", [{}] * count, {"sleep_ms": 100})
        await succeed(small, job.job_id, seconds=20)
    assert await finished_count(sleeping, flood.job_id) == 0
    await sleeping.cancel(flood.job_id)


async def test_a_job_may_not_sleep_for_longer_than_a_minute(hr):
    with pytest.raises(InvalidArgumentError, match=r"params\.sleep_ms: .* 60000"):
        await hr.submit("noop", [{}], {"sleep_ms": 60_001})


async def test_a_small_job_of_another_tenant_gets_through_a_worker_full_of_the_same_class(
    one_worker, open_client
):
    large, small = (open_client(one_worker.gateway_target, tenant=tenant) for tenant in ("large", "small"))
    filling = await fill(large, JobClass.DEFAULT)
    before = await finished_count(large, filling.job_id)
    job = await small.submit("noop", [{}] * 10, {"sleep_ms": 1000}, job_class=JobClass.DEFAULT)
    await succeed(small, job.job_id)
    assert await finished_count(large, filling.job_id) <= before + 300
    await large.cancel(filling.job_id)
