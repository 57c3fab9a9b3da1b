"""Workers that are real processes keep limits together, and tell when they cannot."""

import asyncio
import json
from itertools import accumulate

import aiohttp

from headrace import Client
from services.shared.setting_types import ModelLimit
from services.worker.calls.rate_limits.gcra import gcra_limit

LIMIT = {"requests_per_minute": 600}
RATES = gcra_limit(ModelLimit(**LIMIT))
PER_SECOND = 1e6 / RATES.request_period
BURST = RATES.request_burst / RATES.request_period
PARAMS = {"labels": ["sales", "legal"], "template": "Title: {title}", "model": "m"}


async def read_call_times(url: str) -> list[float]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/call-log") as response:
        return sorted(call[2] for call in (await response.json())["calls"])


async def most_at_once(url: str, mark: str) -> int:
    """Returns how many of the calls whose prompts hold a mark were under way together."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/call-log") as response:
        calls = [call for call in (await response.json())["calls"] if mark in call[1]]
    steps = sorted([(call[2], 1) for call in calls] + [(call[3], -1) for call in calls])
    return max(accumulate(step for _, step in steps))


async def submit(client: Client, name: str, count: int, params: dict) -> str:
    items = [{"title": f"{name} {n}"} for n in range(count)]
    return (await client.submit("llm.classify", items=items, params=params)).job_id


async def wait_for(client: Client, job_id: str, count: int) -> int:
    """Returns how many items were told to wait for a limit, at most, once all have succeeded."""
    most_limited = 0
    async with asyncio.timeout(60):
        async for event in client.watch(job_id):
            most_limited = max(most_limited, event.forecast.limited_count if event.forecast else 0)
            final = event
    assert final.progress.succeeded_count == count
    return most_limited


async def test_two_workers_keep_to_the_limits_together_and_tell_when_they_cannot(make_stack):
    settings = {
        "HEADRACE_LIMITS": json.dumps({"m": LIMIT}),
        "HEADRACE_TENANT_CONCURRENCY": json.dumps({"narrow": 4}),
    }
    stack = await asyncio.to_thread(make_stack, worker_settings=settings, own_servers=["redis"])
    async with Client(stack.gateway_target) as client, Client(stack.gateway_target, tenant="narrow") as other:
        await make_no_more_calls_than_a_rate_limit_allows(stack, client)
        await make_no_more_calls_at_once_than_a_tenant_may(stack, client, other)
        await asyncio.to_thread(stack.redis.kill)
        await wait_for(client, await submit(client, "Paralegal", 8, PARAMS), 8)
        async with asyncio.timeout(60):
            while not any(worker.limits_degraded for worker in await client.workers()):
                await asyncio.sleep(0.1)
    said = sum(worker.log_text().count('"limits_degraded"') for worker in stack.workers)
    assert 1 <= said <= 2


async def make_no_more_calls_than_a_rate_limit_allows(stack, client):
    async with aiohttp.ClientSession() as session:
        await session.post(f"{stack.stand_in_url}/control", json={"keep_log": True})
    assert await wait_for(client, await submit(client, "Counsel", 36, PARAMS), 36) > 0
    times = await read_call_times(stack.stand_in_url)
    assert len(times) == 36  # a wait for the limit is no failed attempt
    for first in range(len(times)):
        for last in range(first, len(times)):
            # What was taken may be used up to a second later.
            most = BURST + PER_SECOND * (times[last] - times[first] + 1.0) + 1
            assert last - first + 1 <= most
    assert times[-1] - times[0] > (36 - BURST - 1) / PER_SECOND - 1.0


async def make_no_more_calls_at_once_than_a_tenant_may(stack, client, other):
    async with aiohttp.ClientSession() as session:
        await session.post(f"{stack.stand_in_url}/control", json={"latency_ms": 200})
    narrow = await submit(other, "Narrow", 60, PARAMS | {"model": "free"})
    wide = await submit(client, "Wide", 200, PARAMS | {"model": "free"})
    await wait_for(client, wide, 200)
    assert (await other.get(narrow)).progress.succeeded_count < 60
    await wait_for(other, narrow, 60)
    assert await most_at_once(stack.stand_in_url, "Narrow") == 4
    assert await most_at_once(stack.stand_in_url, "Wide") > 50
    assert (
        len(await read_call_times(stack.stand_in_url)) == 36 + 260
    )  # a wait for a place is no failed attempt
