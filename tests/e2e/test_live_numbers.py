"""Live numbers of a job on the real stack: that it moves, when it will end, and what it costs."""

import asyncio
import time

import pytest

from headrace import JobState

pytestmark = pytest.mark.timeout(180)
ITEM_COUNT = 1600


async def test_a_watcher_sees_rates_an_end_that_comes_nearer_and_the_cost(
    any_gateway, open_client, postings, classify
):
    hr = open_client(any_gateway)
    items, params = postings(ITEM_COUNT, "live"), classify | {"model": "gpt-4o-mini"}
    job = await hr.submit("llm.classify", items, params, max_parallelism=1)  # some seconds of work
    told = []
    async with asyncio.timeout(90):
        async for event in hr.watch(job.job_id):
            if event.outlook is not None and (not told or told[-1][1] is not event.outlook):
                told.append((time.monotonic(), event.outlook))
    end = time.monotonic()
    assert (event.state, event.outlook) == (JobState.SUCCEEDED, None)
    outlooks = [outlook for _, outlook in told]
    assert max(outlook.items_per_second for outlook in outlooks) > 10
    assert max(outlook.tokens_per_second for outlook in outlooks) > 100
    assert 0 < max(outlook.in_flight_count for outlook in outlooks) <= 200
    lefts = [
        (at, outlook.estimated_remaining.total_seconds())
        for at, outlook in told
        if outlook.estimated_remaining
    ]
    assert len(lefts) >= 2
    assert lefts[-1][1] < lefts[0][1]
    at, first = lefts[0]
    assert first < 5 * (end - at) + 5  # how right it is on a machine that is left alone is for test_pace
    costs = [outlook.estimated_cost_micros for outlook in outlooks if outlook.estimated_cost_micros]
    assert costs[-1] == pytest.approx(event.job.usage.cost_micros, rel=0.1)
    async with asyncio.timeout(20):  # their rates are those of the last ten seconds
        while not any(
            worker.items_per_second > 0 < worker.tokens_per_second for worker in await hr.workers()
        ):
            await asyncio.sleep(0.1)
