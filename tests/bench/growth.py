"""Part E: one job of 1,000 to 1,000,000 noop items, to see if the cost of an item depends on their number."""

import asyncio
import itertools
import statistics

from deploy.local.testing.stack import TestStack
from headrace import Client
from tests.bench.figures import Figures
from tests.bench.large_jobs.measuring import run_job
from tests.bench.options import Options
from tests.bench.process_cost import ProcessCost
from tests.bench.systems import Servers, bench_servers, our_system, pids_of

_COUNTS = (1_000, 10_000, 100_000, 1_000_000)
_OURS = ("gateway", "results", "worker-1")
MB_LIMIT = 300
INGESTED_MINIMUM = 20_000


def measure(options: Options) -> Figures:
    """Runs the part. Each job is uploaded, run, streamed and paged through, the largest only once."""
    figures = Figures("E. Growth: one job of noop items, its results streamed and paged afterwards")
    counts = [options.scaled(count) for count in _COUNTS]
    with bench_servers(0) as servers, our_system(servers) as ours:
        asyncio.run(_run(ours, servers, counts[0]))
        for number in options.each_round(figures):
            for count in counts if number == 1 else counts[:-1]:
                figures.add(f"ours, {count:,}", **asyncio.run(_run(ours, servers, count)))
    smallest, small, _, largest = (f"ours, {count:,}" for count in counts)
    for other in (smallest, small):
        figures.compare(largest, other, "cpu_ms_per_item", "at most 1.15", lambda ratio: ratio <= 1.15)
    figures.judge(largest, "peak_mb", f"under {MB_LIMIT}", lambda value: value < MB_LIMIT)
    figures.judge(
        largest, "ingested_per_s", f"at least {INGESTED_MINIMUM:,}", lambda value: value >= INGESTED_MINIMUM
    )
    return figures


async def _run(stack: TestStack, servers: Servers, count: int) -> dict[str, float]:
    cost = ProcessCost(pids_of(stack, servers))
    async with Client(stack.gateway_target) as client:
        _, job = await run_job(client, "noop", None, itertools.count(), count)
    cpu, peak = cost.cpu(), cost.peak_mb()
    tenth = max(1, len(job.page_ms) // 10)
    return {
        "items_per_s": count / job.job_seconds,
        "ingested_per_s": count / job.upload_seconds,
        "cpu_ms_per_item": 1000 * sum(cpu[name] for name in _OURS) / count,
        "whole_cpu_ms_per_item": 1000 * sum(cpu.values()) / count,
        "peak_mb": max(peak[name] for name in _OURS),
        "get_ms": statistics.median(job.get_ms) if job.get_ms else 0.0,
        "list_ms": statistics.median(job.list_ms),
        "last_pages_ms": statistics.median(job.page_ms[-tenth:]),
        "streamed_per_s": count / job.stream_seconds,
    }
