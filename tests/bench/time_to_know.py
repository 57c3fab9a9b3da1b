"""Part C: from the submit of a job of one item to the client knowing that it is done."""

import asyncio
import time
from collections.abc import AsyncIterator

from headrace import Client, JobState
from tests.bench.figures import Figures, percentile
from tests.bench.options import Options
from tests.bench.polling import PollingClient
from tests.bench.systems import bench_servers, celery_system, our_system

_POLL_SECONDS = {"celery, polled every 10 ms": 0.01, "celery, polled every 100 ms": 0.1}
_WARM_UP_JOBS = 20
BUDGET_MS = 11.5


def measure(options: Options) -> Figures:
    """Runs the part."""
    figures = Figures("C. Time to know: submit to the client knowing, one noop item, one job after another")
    job_count = options.scaled(300)
    with bench_servers(0) as servers, our_system(servers) as ours, celery_system(servers) as celery:
        for _ in options.each_round(figures):
            for contender, times in asyncio.run(_round(ours.gateway_target, celery.url, job_count)).items():
                spread = {f"p{hundredth}_ms": percentile(times, hundredth) for hundredth in (50, 99)}
                figures.add(contender, **spread)
    figures.compare("ours", "celery, polled every 10 ms", "p50_ms", "under 0.5", lambda ratio: ratio < 0.5)
    figures.compare("ours", "celery, polled every 100 ms", "p50_ms")
    figures.judge("ours", "p50_ms", f"within the budget of {BUDGET_MS} ms", lambda value: value <= BUDGET_MS)
    return figures


async def _round(target: str, url: str, job_count: int) -> dict[str, list[float]]:
    times = {"ours": [ms async for ms in _ours(target, job_count)]}
    for contender, seconds in _POLL_SECONDS.items():
        times[contender] = [ms async for ms in _polled(url, seconds, job_count)]
    return times


async def _ours(target: str, job_count: int) -> AsyncIterator[float]:
    async with Client(target) as client:
        for number in range(_WARM_UP_JOBS + job_count):
            begin = time.perf_counter()
            job = await client.submit("noop", [{}])
            async for event in client.watch(job.job_id):
                state = event.state
            ms = 1000 * (time.perf_counter() - begin)
            if state is not JobState.SUCCEEDED:
                raise RuntimeError(f"job {job.job_id} ended as {state.name}")
            if number >= _WARM_UP_JOBS:
                yield ms


async def _polled(url: str, seconds: float, job_count: int) -> AsyncIterator[float]:
    async with PollingClient(url) as client:
        for number in range(_WARM_UP_JOBS + job_count):
            begin = time.perf_counter()
            await client.wait(await client.submit("noop", {}), seconds)
            if number >= _WARM_UP_JOBS:
                yield 1000 * (time.perf_counter() - begin)
