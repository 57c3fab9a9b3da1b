"""Part F: time of a 10-item job on an idle system, next to a large job, and behind 1,000 small ones."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from headrace import Client, JobState
from tests.bench.figures import Figures, percentile
from tests.bench.options import Options
from tests.bench.systems import bench_servers, our_system

LATENCY_MS = 200
LARGE_COUNT, FLOOD_COUNT, SMALL_ITEMS, SAMPLES = 100_000, 1_000, 10, 10
_SECONDS = 300.0
_LIVE = ["PENDING", "RUNNING", "CANCELLING"]
_KINDS: Mapping[str, dict[str, Any]] = {
    "llm.classify": {"labels": ["alpha", "beta"], "template": "Title: {title}", "model": "bench"},
    "noop": {},
}


def measure(options: Options) -> Figures:
    """Runs the part. Jobs of tenant B run one after another, in the same class as those of A."""
    figures = Figures(
        f"F. Fairness: a {SMALL_ITEMS}-item job of tenant B, from submit to known, on one worker; calls take "
        f"{LATENCY_MS} ms"
    )
    with bench_servers(LATENCY_MS) as servers, our_system(servers) as stack:
        for _ in options.each_round(figures):
            for kind in _KINDS:
                asyncio.run(_run(figures, stack.gateway_target, kind, options))
    for kind in _KINDS:
        for rival in ("next to a large job", "behind small jobs"):
            figures.compare(
                f"{kind} {rival}", f"{kind} idle", "p50_ms", "at most 3", lambda ratio: ratio <= 3
            )
    figures.notes.append(
        f"Large: {options.scaled(LARGE_COUNT):,} items; small: {options.scaled(FLOOD_COUNT):,} jobs of "
        f"{SMALL_ITEMS} items, submitted right before the first of {SAMPLES} jobs of B."
    )
    return figures


async def _run(figures: Figures, target: str, kind: str, options: Options) -> None:
    async with AsyncExitStack() as running:
        a, b = [await running.enter_async_context(Client(target, tenant=name)) for name in ("a", "b")]
        await _time_job(b, kind)  # connected and warm
        _note(figures, f"{kind} idle", await _time_jobs(b, kind))
        job = await a.submit(kind, _items(options.scaled(LARGE_COUNT)), _KINDS[kind])
        async for event in a.watch(job.job_id):
            if event.progress.succeeded_count >= 200 or event.state.is_terminal:
                break
        _note(figures, f"{kind} next to a large job", await _time_jobs(b, kind))
        await _cancel_all(a)
        await _flood(a, kind, options.scaled(FLOOD_COUNT))
        _note(figures, f"{kind} behind small jobs", await _time_jobs(b, kind))
        await _cancel_all(a)


def _note(figures: Figures, contender: str, times: list[float]) -> None:
    figures.add(
        contender, p50_ms=statistics.median(times), p90_ms=percentile(times, 90), first_ms=times[0],
    )  # fmt: skip


def _items(count: int) -> list[dict[str, str]]:
    return [{"title": f"Title {number}"} for number in range(count)]


async def _time_jobs(client: Client, kind: str) -> list[float]:
    return [await _time_job(client, kind) for _ in range(SAMPLES)]


async def _time_job(client: Client, kind: str) -> float:
    """Returns the time of one small job, in milliseconds."""
    begin = time.perf_counter()
    job = await client.submit(kind, _items(SMALL_ITEMS), _KINDS[kind])
    async with asyncio.timeout(_SECONDS):
        events = [event async for event in client.watch(job.job_id)]
    if events[-1].state is not JobState.SUCCEEDED:
        raise RuntimeError(f"a small job ended as {events[-1].state}")
    return 1000 * (time.perf_counter() - begin)


async def _flood(client: Client, kind: str, job_count: int) -> None:
    slots = asyncio.Semaphore(64)

    async def submit() -> None:
        async with slots:
            await client.submit(kind, _items(SMALL_ITEMS), _KINDS[kind])

    await asyncio.gather(*(submit() for _ in range(job_count)))


async def _cancel_all(client: Client) -> None:
    """Cancels all jobs of a tenant and returns once none is running."""
    while jobs := [job async for job in client.list(states=_LIVE, page_size=1000)]:
        await asyncio.gather(*(client.cancel(job.job_id) for job in jobs))
        await asyncio.sleep(0.2)
