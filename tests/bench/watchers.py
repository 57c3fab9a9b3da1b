"""Part D: 1,000 clients follow one running job, with a stream each or by polling once a second."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE

import asyncpg

from deploy.local.paths import REPOSITORY
from deploy.local.testing.stack import TestStack
from headrace import Client
from tests.bench.figures import Figures, percentile, staleness_ms
from tests.bench.options import Options
from tests.bench.process_cost import ProcessCost
from tests.bench.systems import Servers, bench_servers, our_system, pids_of

_ITEM_MS = 500
_CONTENDERS = {"ours, streams": "watch", "ours, polled every 1 s": "poll"}
# The seq of each commit, with the time of its rows, which is shortly before the commit.
_COMMITS = "SELECT seq, min(finish_time) AS time FROM results WHERE job_id = $1 GROUP BY seq"


def measure(options: Options) -> Figures:
    """Runs the part."""
    client_count, item_count = options.scaled(1000), options.scaled(4000)
    figures = Figures(f"D. Watchers: {client_count:,} clients follow one job of {item_count:,} items")
    with bench_servers(0) as servers, our_system(servers) as ours:
        for _ in options.each_round(figures):
            for contender, mode in _CONTENDERS.items():
                measures = asyncio.run(_follow_job(ours, servers, mode, client_count, item_count))
                figures.add(contender, **measures)
    figures.judge("ours, streams", "staleness_p99_ms", "under 250", lambda value: value < 250)
    figures.compare("ours, streams", "ours, polled every 1 s", "gateway_cpu_ms_per_s")
    figures.notes.append("The clients run in one process on the same cores, and are part of the measurement.")
    return figures


async def _follow_job(
    stack: TestStack, servers: Servers, mode: str, client_count: int, item_count: int
) -> dict[str, float]:
    async with Client(stack.gateway_target) as client:
        job = await client.submit("noop", [{}] * item_count, {"sleep_ms": _ITEM_MS})
    cost, begin = ProcessCost(pids_of(stack, servers)), time.perf_counter()
    arguments = [mode, stack.gateway_target, job.job_id, str(client_count)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.watching_clients", *arguments, cwd=REPOSITORY, stdout=PIPE
    )
    output, _ = await process.communicate()
    seconds, cpu = time.perf_counter() - begin, cost.cpu()
    if process.returncode != 0:
        raise RuntimeError("the clients failed")
    commits = await _read_commits(stack.database_url, job.job_id)
    times = [ms for arrivals in json.loads(output) for ms in staleness_ms(commits, arrivals)]
    return {
        "staleness_p50_ms": percentile(times, 50),
        "staleness_p99_ms": percentile(times, 99),
        "commits": len(commits),
        "gateway_cpu_ms_per_s": 1000 * cpu["gateway"] / seconds,
        "results_cpu_ms_per_s": 1000 * cpu["results"] / seconds,
        "gateway_peak_mb": cost.peak_mb()["gateway"],
    }


async def _read_commits(database_url: str, job_id: str) -> list[tuple[int, float]]:
    connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    try:
        return [(row["seq"], row["time"] / 1e6) for row in await connection.fetch(_COMMITS, job_id)]
    finally:
        await connection.close()
