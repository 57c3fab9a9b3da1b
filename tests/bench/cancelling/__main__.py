"""Cancels jobs with 100 calls in flight and prints when the calls end: python -m tests.bench.cancelling.

It starts its own stack: a worker, a gateway, results, and the stand-in with a latency of 300 ms. Times are in
milliseconds after the cancel's response. Negative times are before it.
"""

import argparse
import asyncio
import json
import statistics
import time
import urllib.request
from typing import Any, NamedTuple

from deploy.local.paths import run_directory
from deploy.local.ports import spare_port
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack
from headrace import Client, JobState

_IN_FLIGHT = 100
_LATENCY_MS = 300
_PARAMS = {"labels": ["a", "b"], "template": "Number {n} of {run}", "model": "stand-in"}


class Figures(NamedTuple):
    """Times of one cancel in milliseconds, all but the first from its response."""

    response_ms: float
    last_call_ms: float
    last_broken_off_ms: float
    cancelled_ms: float


def main() -> None:
    """Parses the arguments and runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--without-line", action="store_true", help="keep gateways from reaching the worker")
    arguments = parser.parse_args()
    run = TestRun(run_directory() / "test")
    settings = {"HEADRACE_WORKER_ADVERTISE": f"127.0.0.1:{spare_port()}"} if arguments.without_line else {}
    stack = TestStack(
        run, workers=1, worker_settings=settings, stand_in_arguments=("--latency-ms", str(_LATENCY_MS))
    )
    try:
        stack.start()
        figures = asyncio.run(_measure(stack, arguments.runs))
    finally:
        stack.close()
        run.close()
    for name in Figures._fields:
        values = [getattr(each, name) for each in figures]
        print(f"{name}: median {statistics.median(values):.0f}, maximum {max(values):.0f}")


async def _measure(stack: TestStack, runs: int) -> list[Figures]:
    async with Client(stack.gateway_target) as client:
        return [await _cancel_one(client, stack.stand_in_url, number) for number in range(runs)]


async def _cancel_one(client: Client, stand_in_url: str, number: int) -> Figures:
    items = [{"n": n, "run": number} for n in range(5000)]
    job = await client.submit("llm.classify", items, _PARAMS)
    ask_time = response_time = 0.0
    async for event in client.watch(job.job_id):
        if event.progress.succeeded_count >= 2 * _IN_FLIGHT and not response_time:
            ask_time = time.time()
            await client.cancel(job.job_id)
            response_time = time.time()
    end_time = time.time()
    assert event.state is JobState.CANCELLED, event
    calls = await _read_ended_calls(stand_in_url)
    assert calls["max_in_flight_count"] == _IN_FLIGHT, calls

    def after_response(moment: float) -> float:
        return (moment - response_time) * 1000

    return Figures(
        (response_time - ask_time) * 1000,
        after_response(calls["last_call_time"]),
        after_response(calls["last_broken_off_time"]),
        after_response(end_time),
    )


async def _read_ended_calls(url: str) -> dict[str, Any]:
    """Returns the counts of the stand-in once it has no calls in flight."""
    while True:
        with urllib.request.urlopen(f"{url}/calls") as response:
            calls: dict[str, Any] = json.load(response)
        if not calls["in_flight_count"]:
            return calls
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    main()
