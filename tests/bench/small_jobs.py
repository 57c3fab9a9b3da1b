"""Part B: 5,000 jobs of one noop item from 32 clients: rates of submits and of ends."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from pathlib import Path

import redis

from deploy.local.processes import wait_until
from deploy.local.testing.stack import TestStack
from headrace import Client, JobState
from tests.bench.environment import Peer, bench_folder, run_peer
from tests.bench.figures import Figures, drain_rate
from tests.bench.options import Options
from tests.bench.polling import PollingClient
from tests.bench.process_cost import ProcessCost
from tests.bench.systems import (
    CeleryStack,
    Servers,
    bench_servers,
    celery_system,
    our_system,
    pids_of,
    wait_for_lines,
)

CLIENT_COUNT = 32
_DRAIN_SECONDS = 600.0
Submit = Callable[[], Awaitable[object]]


def measure(options: Options) -> Figures:
    """Runs the part. All jobs are submitted while no worker is running, then one is started."""
    figures = Figures(f"B. Small jobs: one noop item each, from {CLIENT_COUNT} clients")
    job_count = options.scaled(5000) // CLIENT_COUNT * CLIENT_COUNT
    with bench_servers(0) as servers, ExitStack() as running:
        ours = running.enter_context(our_system(servers))
        celery = running.enter_context(celery_system(servers, with_worker=False))
        for _ in options.each_round(figures):
            _run_ours(figures, ours, servers, job_count)
            _run_celery(figures, celery, servers, job_count)
            _run_dramatiq(figures, servers, job_count)
    for measure_name, wanted in (("submits_per_s", 3), ("drained_per_s", 2)):
        figures.compare(
            "ours", "celery", measure_name, f"at least {wanted}", lambda ratio, goal=wanted: ratio >= goal
        )
        figures.compare("ours", "plain dramatiq", measure_name)
    figures.notes.append(
        "submit_cpu_ms is the servers' CPU per submit, client_cpu_ms that of the process of all clients,"
        " which shares the cores. Plain Dramatiq has no server, so its clients' CPU is its submit_cpu_ms."
    )
    figures.notes.append(
        "Ours stores jobs in PostgreSQL before a submit returns. Redis and Celery keep them in memory."
    )
    return figures


def _run_ours(figures: Figures, stack: TestStack, servers: Servers, job_count: int) -> None:
    stack.workers[0].stop()
    cost = ProcessCost(pids_of(stack, servers))
    client_begin = time.process_time()
    rate = asyncio.run(_submit_ours(stack.gateway_target, job_count))
    client_cpu, submit_cpu = time.process_time() - client_begin, sum(cost.cpu().values())
    stack.workers[0].start()
    stack.workers[0].wait_ready()
    cost = ProcessCost(pids_of(stack, servers))
    times = asyncio.run(_finish_times(stack.gateway_target, job_count))
    figures.add(
        "ours", submits_per_s=rate, submit_cpu_ms=1000 * submit_cpu / job_count,
        client_cpu_ms=1000 * client_cpu / job_count,
        drained_per_s=drain_rate(times), drain_cpu_ms=1000 * sum(cost.cpu().values()) / job_count,
    )  # fmt: skip


async def _submit_ours(target: str, job_count: int) -> float:
    async with AsyncExitStack() as running:
        clients = [await running.enter_async_context(Client(target)) for _ in range(CLIENT_COUNT)]
        for client in clients:
            await client.kinds()  # connects before the measurement
        return await _rate(
            [lambda client=client: client.submit("noop", [{}]) for client in clients], job_count
        )


async def _finish_times(target: str, job_count: int) -> list[float]:
    """Returns the finish time of each of the newest jobs, once all have finished."""
    end = time.monotonic() + _DRAIN_SECONDS
    async with Client(target) as client:
        while [job async for job in client.list(states=["PENDING", "RUNNING"], page_size=1)]:
            if time.monotonic() > end:
                raise RuntimeError("the jobs did not finish in time")
            await asyncio.sleep(0.5)
        times: list[float] = []
        async for job in client.list(states=[JobState.SUCCEEDED], page_size=1000):
            assert job.finish_time is not None
            times.append(job.finish_time.timestamp())
            if len(times) == job_count:
                break
    return times


def _run_celery(figures: Figures, celery: CeleryStack, servers: Servers, job_count: int) -> None:
    celery.worker.stop()
    with redis.Redis.from_url(celery.redis_url) as store:
        store.flushdb()
        cost = ProcessCost({"web": celery.web.pid, "redis": servers.run.redis.process.pid or 0})
        client_begin = time.process_time()
        rate = asyncio.run(_submit_celery(celery.url, job_count))
        client_cpu, submit_cpu = time.process_time() - client_begin, sum(cost.cpu().values())
        celery.worker.start()
        cost = ProcessCost({"worker": celery.worker.pid, "redis": servers.run.redis.process.pid or 0})
        done = wait_until(lambda: len(store.keys("celery-task-meta-*")) >= job_count, _DRAIN_SECONDS)
        if not done:
            raise RuntimeError("Celery did not finish its tasks in time")
        drain_cpu = sum(cost.cpu().values())
        texts = [store.get(key) for key in store.keys("celery-task-meta-*")]
    times = [_timestamp(json.loads(text)["date_done"]) for text in texts if text]
    figures.add(
        "celery", submits_per_s=rate, submit_cpu_ms=1000 * submit_cpu / job_count,
        client_cpu_ms=1000 * client_cpu / job_count,
        drained_per_s=drain_rate(times), drain_cpu_ms=1000 * drain_cpu / job_count,
    )  # fmt: skip


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def _submit_celery(url: str, job_count: int) -> float:
    async with AsyncExitStack() as running:
        clients = [await running.enter_async_context(PollingClient(url)) for _ in range(CLIENT_COUNT)]
        return await _rate([lambda client=client: client.submit("noop", {}) for client in clients], job_count)


async def _rate(submits: list[Submit], job_count: int) -> float:
    """Returns submits per second. Each client submits one job after another."""

    async def run(submit: Submit) -> None:
        for _ in range(job_count // len(submits)):
            await submit()

    begin = time.perf_counter()
    await asyncio.gather(*(run(submit) for submit in submits))
    return job_count / (time.perf_counter() - begin)


def _run_dramatiq(figures: Figures, servers: Servers, job_count: int) -> None:
    done = bench_folder() / "dramatiq-done"
    done.unlink(missing_ok=True)
    settings = {"BENCH_RABBITMQ_URL": servers.run.make_vhost(), "BENCH_DONE_FILE": str(done)}
    cost = json.loads(
        run_peer("tests.bench.peers.dramatiq_submit", str(job_count), str(CLIENT_COUNT), settings=settings)
    )
    worker = Peer("dramatiq", "-m", "dramatiq", "tests.bench.peers.dramatiq_app", settings=settings)
    with worker:
        times, cpu = _drain_dramatiq(worker, done, servers, job_count)
    figures.add(
        "plain dramatiq", submits_per_s=job_count / cost["seconds"],
        submit_cpu_ms=1000 * cost["cpu_seconds"] / job_count,
        drained_per_s=drain_rate(times), drain_cpu_ms=1000 * cpu / job_count,
    )  # fmt: skip


def _drain_dramatiq(worker: Peer, done: Path, servers: Servers, job_count: int) -> tuple[list[float], float]:
    cost = ProcessCost({"worker": worker.pid, "rabbitmq": servers.run.rabbitmq.process.pid or 0})
    times = wait_for_lines(done, job_count, _DRAIN_SECONDS)
    return times, sum(cost.cpu().values())
