"""Workers as real processes enforce limits together, and report when they cannot."""

import asyncio
import json
from itertools import accumulate

import aiohttp

from deploy.local.testing.stack import TestStack
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


async def max_in_flight(url: str, mark: str) -> int:
    """Returns the maximum of calls in flight whose prompts contain a mark."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/call-log") as response:
        calls = [call for call in (await response.json())["calls"] if mark in call[1]]
    steps = sorted([(call[2], 1) for call in calls] + [(call[3], -1) for call in calls])
    return max(accumulate(step for _, step in steps))


def reports_of(stack: TestStack) -> int:
    """Returns how often the workers have logged that they cannot enforce limits together."""
    return sum(worker.log_text().count('"limits_degraded"') for worker in stack.workers)


async def submit(client: Client, name: str, count: int, params: dict) -> str:
    items = [{"title": f"{name} {n}"} for n in range(count)]
    return (await client.submit("llm.classify", items=items, params=params)).job_id


async def wait_for(client: Client, job_id: str, count: int) -> int:
    """Waits until all items have succeeded. Returns the maximum of items that waited for a limit."""
    max_limited = 0
    async with asyncio.timeout(60):
        async for event in client.watch(job_id):
            max_limited = max(max_limited, event.forecast.limited_count if event.forecast else 0)
            final = event
    assert final.progress.succeeded_count == count
    return max_limited


async def test_two_workers_enforce_limits_together_and_report_when_they_cannot(make_stack):
    settings = {
        "HEADRACE_LIMITS": json.dumps({"m": LIMIT, "capped": {"concurrency": 5}}),
        "HEADRACE_TENANT_CONCURRENCY": json.dumps({"narrow": 4}),
    }
    stack = await asyncio.to_thread(make_stack, worker_settings=settings, own_servers=["redis"])
    async with Client(stack.gateway_target) as client, Client(stack.gateway_target, tenant="narrow") as other:
        await make_no_more_calls_than_a_rate_limit_allows(stack, client)
        await make_no_more_calls_at_once_than_a_tenant_may(stack, client, other)
        await make_no_more_calls_at_once_than_a_model_may_have(stack, client)
        before = reports_of(stack)
        await asyncio.to_thread(stack.redis.kill)
        await wait_for(client, await submit(client, "Paralegal", 8, PARAMS), 8)
        async with asyncio.timeout(60):
            while not any(worker.limits_degraded for worker in await client.workers()):
                await asyncio.sleep(0.1)
    assert 1 <= reports_of(stack) - before <= 2


async def make_no_more_calls_than_a_rate_limit_allows(stack, client):
    async with aiohttp.ClientSession() as session:
        await session.post(f"{stack.stand_in_url}/control", json={"keep_log": True})
    assert await wait_for(client, await submit(client, "Counsel", 36, PARAMS), 36) > 0
    times = await read_call_times(stack.stand_in_url)
    assert len(times) == 36  # a wait for the limit is not a failed attempt
    for first in range(len(times)):
        for last in range(first, len(times)):
            # A call may begin up to a second after it was admitted.
            limit = BURST + PER_SECOND * (times[last] - times[first] + 1.0) + 1
            assert last - first + 1 <= limit
    assert times[-1] - times[0] > (36 - BURST - 1) / PER_SECOND - 1.0


async def make_no_more_calls_at_once_than_a_tenant_may(stack, client, other):
    async with aiohttp.ClientSession() as session:
        await session.post(f"{stack.stand_in_url}/control", json={"latency_ms": 200})
    narrow = await submit(other, "Narrow", 60, PARAMS | {"model": "free"})
    wide = await submit(client, "Wide", 200, PARAMS | {"model": "free"})
    await wait_for(client, wide, 200)
    assert (await other.get(narrow)).progress.succeeded_count < 60
    await wait_for(other, narrow, 60)
    assert await max_in_flight(stack.stand_in_url, "Narrow") == 4
    assert await max_in_flight(stack.stand_in_url, "Wide") > 50
    # A wait for a slot is not a failed attempt.
    assert len(await read_call_times(stack.stand_in_url)) == 36 + 260


async def make_no_more_calls_at_once_than_a_model_may_have(stack, client):
    capped = await submit(client, "Capped", 60, PARAMS | {"model": "capped"})
    assert await wait_for(client, capped, 60) > 0
    assert await max_in_flight(stack.stand_in_url, "Capped") == 5
