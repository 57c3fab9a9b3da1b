"""Workers that are real processes keep one rate limit together, and tell when they cannot."""

import asyncio
import json

import aiohttp

from headrace import Client
from services.shared.setting_types import ModelLimit
from services.worker.limits.rates import rates_of

LIMIT = {"requests_per_minute": 600}
RATES = rates_of(ModelLimit(**LIMIT))
PER_SECOND = 1e6 / RATES.request_period
BURST = RATES.request_burst / RATES.request_period
PARAMS = {"labels": ["sales", "legal"], "template": "Title: {title}", "model": "m"}


async def read_call_times(url: str) -> list[float]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/call-log") as response:
        return sorted(call[2] for call in (await response.json())["calls"])


async def test_two_workers_make_no_more_calls_together_than_the_limit_allows(make_stack):
    limits = json.dumps({"*": LIMIT})
    stack = await asyncio.to_thread(
        make_stack, worker_settings={"HEADRACE_LIMITS": limits}, own_servers=["redis"]
    )
    async with aiohttp.ClientSession() as session:
        await session.post(f"{stack.stand_in_url}/control", json={"keep_log": True})
    async with Client(stack.gateway_target) as client:
        job = await client.submit(
            "llm.classify", items=[{"title": f"Counsel {n}"} for n in range(36)], params=PARAMS
        )
        limited_counts = set()
        async with asyncio.timeout(60):
            async for event in client.watch(job.job_id):
                limited_counts.add(event.outlook.limited_count if event.outlook else 0)
                final = event
        assert max(limited_counts) > 0
        assert final.progress.succeeded_count == 36
        times = await read_call_times(stack.stand_in_url)
        assert len(times) == 36  # a wait for the limit is no failed try
        for first in range(len(times)):
            for last in range(first, len(times)):
                # What was taken may be used up to a second later.
                most = BURST + PER_SECOND * (times[last] - times[first] + 1.0) + 1
                assert last - first + 1 <= most
        assert times[-1] - times[0] > (36 - BURST - 1) / PER_SECOND - 1.0

        await asyncio.to_thread(stack.redis.kill)
        job = await client.submit(
            "llm.classify", items=[{"title": f"Paralegal {n}"} for n in range(8)], params=PARAMS
        )
        async with asyncio.timeout(60):
            async for event in client.watch(job.job_id):
                final = event
            assert final.progress.succeeded_count == 8
            while not any(worker.limits_apart for worker in await client.workers()):
                await asyncio.sleep(0.1)
    said = sum(worker.log_text().count('"limits_not_shared"') for worker in stack.workers)
    assert 1 <= said <= 2
