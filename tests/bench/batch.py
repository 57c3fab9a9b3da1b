"""Part A: 5,000 calls of 200 ms, by Headrace, ``asyncio.gather`` and Celery."""

import asyncio
import json
import time
from contextlib import ExitStack

from deploy.local.testing.stack import TestStack
from headrace import Client, JobState
from tests.bench.environment import run_peer
from tests.bench.figures import Figures
from tests.bench.options import Options
from tests.bench.peers.chat import LABELS, MODEL, TEMPLATE
from tests.bench.polling import PollingClient
from tests.bench.process_cost import ProcessCost
from tests.bench.systems import CeleryStack, Servers, bench_servers, celery_system, our_system, pids_of

LATENCY_MS = 200
CONCURRENCIES = (100, 300)
_BY_HAND = {"gather openai": "openai", "gather openai-aiohttp": "openai-aiohttp", "raw aiohttp": "aiohttp"}
_IN_TURN_ITEMS = 100  # they take 200 ms each in turn, and more would add no information
_WARM_UP_ITEMS = 300


def measure(options: Options) -> Figures:
    """Runs the part."""
    figures = Figures(f"A. Batch: 5,000 items at {LATENCY_MS} ms")
    item_count = options.scaled(5000)
    with bench_servers(LATENCY_MS) as servers, ExitStack() as running:
        ours = {
            limit: running.enter_context(
                our_system(servers, worker_settings={"HEADRACE_IN_FLIGHT_LIMIT": str(limit)})
            )
            for limit in CONCURRENCIES
        }
        celery = running.enter_context(celery_system(servers))
        provider = ProcessCost({"provider": servers.provider_pid})
        for _ in options.each_round(figures):
            for limit in CONCURRENCIES:
                _run_ours(figures, ours[limit], servers, item_count, limit)
                _run_by_hand(figures, servers, item_count, limit)
                _run_celery(figures, celery, "classify_together", item_count, limit)
            _run_celery(figures, celery, "classify_in_turn", _IN_TURN_ITEMS, 1)
        figures.notes.append(
            "without_core_percent: share of time in which the caller was ready to run but had no core."
            " If it is high, items/s depend on other processes; CPU per item does not."
        )
        _note_provider(figures, provider.cpu()["provider"], item_count, options.rounds)
    for limit in CONCURRENCIES:
        _compare(figures, limit)
    return figures


def _compare(figures: Figures, limit: int) -> None:
    ours, target = f"ours, {limit}", "at least 1"
    typed = ("gather openai", "gather openai-aiohttp")
    for other in typed:
        figures.compare(ours, f"{other}, {limit}", "items_per_s", target, lambda ratio: ratio >= 1)
        figures.compare(ours, f"{other}, {limit}", "cpu_ms_per_item")
    figures.compare(ours, f"raw aiohttp, {limit}", "items_per_s")
    figures.compare(ours, f"celery with gather, {limit}", "items_per_s")


def _run_ours(figures: Figures, stack: TestStack, servers: Servers, item_count: int, limit: int) -> None:
    asyncio.run(_submit_and_wait(stack.gateway_target, _WARM_UP_ITEMS))
    cost = ProcessCost(pids_of(stack, servers))
    seconds = asyncio.run(_submit_and_wait(stack.gateway_target, item_count))
    cpu, peak = cost.cpu(), cost.peak_mb()
    figures.add(
        f"ours, {limit}",
        items_per_s=item_count / seconds,
        cpu_ms_per_item=1000 * cpu["worker-1"] / item_count,
        whole_cpu_ms_per_item=1000 * sum(cpu.values()) / item_count,
        without_core_percent=100 * cost.waited()["worker-1"] / seconds,
        peak_mb=peak["worker-1"],
    )


async def _submit_and_wait(target: str, item_count: int) -> float:
    """Returns the seconds from create_time to finish_time of a new job."""
    params = {"labels": LABELS, "template": TEMPLATE, "model": MODEL}
    async with Client(target) as client:
        job = await client.submit("llm.classify", [{"n": n} for n in range(item_count)], params)
        async for event in client.watch(job.job_id):
            job = event.job
    if job.state is not JobState.SUCCEEDED or job.finish_time is None:
        raise RuntimeError(f"the job ended as {job.state.name}: {job.error}")
    return (job.finish_time - job.create_time).total_seconds()


def _run_by_hand(figures: Figures, servers: Servers, item_count: int, limit: int) -> None:
    for contender, client in _BY_HAND.items():
        cost = json.loads(
            run_peer("tests.bench.peers.gather", client, servers.provider_url, str(item_count), str(limit))
        )
        figures.add(
            f"{contender}, {limit}",
            items_per_s=item_count / cost["seconds"],
            cpu_ms_per_item=1000 * cost["cpu_seconds"] / item_count,
            whole_cpu_ms_per_item=1000 * cost["cpu_seconds"] / item_count,
            without_core_percent=100 * cost["waited"] / cost["seconds"],
            peak_mb=cost["peak_mb"],
        )


def _run_celery(figures: Figures, celery: CeleryStack, task: str, item_count: int, limit: int) -> None:
    cost = ProcessCost({"worker": celery.worker.pid, "web": celery.web.pid})
    arguments = (item_count, limit) if task == "classify_together" else (item_count,)
    begin = time.perf_counter()
    asyncio.run(_submit_and_poll(celery.url, task, arguments))
    seconds, cpu = time.perf_counter() - begin, cost.cpu()
    contender = f"celery with gather, {limit}" if task == "classify_together" else "celery, in turn, 1"
    figures.add(
        contender,
        items_per_s=item_count / seconds,
        cpu_ms_per_item=1000 * cpu["worker"] / item_count,
        whole_cpu_ms_per_item=1000 * sum(cpu.values()) / item_count,
        peak_mb=cost.peak_mb()["worker"],
    )


async def _submit_and_poll(url: str, task: str, arguments: tuple[int, ...]) -> None:
    async with PollingClient(url) as client:
        await client.wait(await client.submit(task, *arguments), 0.1)


def _note_provider(figures: Figures, cpu: float, item_count: int, rounds: int) -> None:
    per_round = len(CONCURRENCIES) * (item_count * 5 + _WARM_UP_ITEMS * 4) + _IN_TURN_ITEMS
    per_call = cpu / (rounds * per_round)
    figures.notes.append(
        f"The provider used {1000 * per_call:.3f} ms of CPU per call,"
        f" so one core could handle {1 / per_call:,.0f} calls per second."
    )
