"""Part C: time from the submit of a job of one item until the client knows that it has ended."""

import asyncio
import time
from collections.abc import AsyncIterator

from headrace import Client, JobState
from tests.bench.figures import Figures, percentile
from tests.bench.options import Options
from tests.bench.polling import PollingClient
from tests.bench.process_cost import ProcessCost
from tests.bench.systems import bench_servers, celery_system, our_system, pids_of

_POLL_SECONDS = {"celery, polled every 10 ms": 0.01, "celery, polled every 100 ms": 0.1}
_WARM_UP_JOBS = 20
BUDGET_MS = 11.5


def measure(options: Options) -> Figures:
    """Runs the part."""
    figures = Figures("C. Time to know: submit to the client knowing, one noop item, one job after another")
    job_count = options.scaled(300)
    with bench_servers(0) as servers, our_system(servers) as ours, celery_system(servers) as celery:
        for _ in options.each_round(figures):
            _run(figures, "ours", pids_of(ours, servers), _ours(ours.gateway_target, job_count))
            pids = {"web": celery.web.pid, "worker": celery.worker.pid}
            pids["redis"] = servers.run.redis.process.pid or 0
            for contender, seconds in _POLL_SECONDS.items():
                _run(figures, contender, pids, _polled(celery.url, seconds, job_count))
    figures.compare("ours", "celery, polled every 10 ms", "p50_ms", "under 0.5", lambda ratio: ratio < 0.5)
    figures.compare("ours", "celery, polled every 100 ms", "p50_ms")
    figures.judge("ours", "p50_ms", f"within the budget of {BUDGET_MS} ms", lambda value: value <= BUDGET_MS)
    return figures


def _run(figures: Figures, contender: str, pids: dict[str, int], jobs: AsyncIterator[float]) -> None:
    async def collect() -> list[float]:
        return [ms async for ms in jobs]

    cost = ProcessCost(pids)
    times = asyncio.run(collect())
    figures.add(
        contender,
        p50_ms=percentile(times, 50),
        p99_ms=percentile(times, 99),
        cpu_ms_per_job=1000 * sum(cost.cpu().values()) / (len(times) + _WARM_UP_JOBS),
    )


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
