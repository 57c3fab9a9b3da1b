"""A provider that rejects calls at random costs little, as its own log of calls in flight shows."""

import asyncio
from itertools import accumulate, pairwise

import aiohttp
import pytest

from headrace import Client, JobState

pytestmark = pytest.mark.timeout(180)

ITEM_COUNT = 800


async def mean_in_flight(url: str) -> float:
    """Returns the mean of calls in flight, without the first and the last quarter of the calls."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/call-log") as response:
        calls = (await response.json())["calls"]
    begins = sorted(call[2] for call in calls)
    first, last = begins[len(begins) // 4], begins[len(begins) * 3 // 4]
    steps = sorted([(call[2], 1) for call in calls] + [(call[3], -1) for call in calls])
    levels = zip(pairwise(time for time, _ in steps), accumulate(step for _, step in steps), strict=False)
    return sum((end - begin) * level for (begin, end), level in levels if first <= begin < last) / (
        last - first
    )


async def test_one_random_429_in_a_hundred_leaves_most_calls_in_flight(
    make_embedded, open_stand_in, postings, classify
):
    settings = {"HEADRACE_IN_FLIGHT_LIMIT": "100"}
    embedded = await asyncio.to_thread(make_embedded, settings=settings)
    stand_in = open_stand_in(embedded.stand_in_url)

    async def run(name: str, fault: dict | None) -> float:
        noise = {"seed": 1, "faults": [{"probability": 0.01, **fault}]} if fault else None
        await stand_in.set(reset=True, keep_log=True, latency_ms=200, fail_randomly=noise)
        job = await client.submit("llm.classify", postings(ITEM_COUNT, name), classify)
        async with asyncio.timeout(50):
            last = [event async for event in client.watch(job.job_id)][-1]
        assert last.state is JobState.SUCCEEDED
        assert last.progress.succeeded_count == ITEM_COUNT
        return await mean_in_flight(embedded.stand_in_url)

    async with Client(embedded.gateway_target) as client:
        without = await run("quiet", None)
        assert await run("noisy", {"status": 429}) >= 0.75 * without
        assert await run("later", {"status": 429, "retry_after": "1"}) >= 0.75 * without
