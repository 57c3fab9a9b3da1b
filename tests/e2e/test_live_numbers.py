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
            if event.forecast is not None and (not told or told[-1][1] is not event.forecast):
                told.append((time.monotonic(), event.forecast))
    end = time.monotonic()
    assert (event.state, event.forecast) == (JobState.SUCCEEDED, None)
    forecasts = [forecast for _, forecast in told]
    assert max(forecast.items_per_second for forecast in forecasts) > 10
    assert max(forecast.tokens_per_second for forecast in forecasts) > 100
    assert 0 < max(forecast.in_flight_count for forecast in forecasts) <= 200
    lefts = [
        (at, forecast.estimated_remaining.total_seconds())
        for at, forecast in told
        if forecast.estimated_remaining
    ]
    assert len(lefts) >= 2
    assert lefts[-1][1] < lefts[0][1]
    at, first = lefts[0]
    assert first < 5 * (end - at) + 5  # how right it is on a machine that is left alone is for test_pace
    costs = [forecast.estimated_cost_micros for forecast in forecasts if forecast.estimated_cost_micros]
    assert costs[-1] == pytest.approx(event.job.usage.cost_micros, rel=0.1)
    async with asyncio.timeout(20):  # their rates are those of the last ten seconds
        while not any(
            worker.items_per_second > 0 < worker.tokens_per_second for worker in await hr.workers()
        ):
            await asyncio.sleep(0.1)
