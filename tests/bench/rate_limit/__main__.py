"""Runs many workers against one rate limit and prints how much of it they use.

Run it with ``python -m tests.bench.rate_limit``. It starts its own stack, lets the workers run for some
minutes, and reads the stand-in's log of calls. It compares the maximum and the minimum of calls in any 60 s
with the limit.
"""

import argparse
import asyncio
import json
import urllib.request
from collections import Counter, deque
from collections.abc import Iterator, Sequence

from deploy.local.paths import run_directory
from deploy.local.testing.run import TestRun
from deploy.local.testing.stack import TestStack
from headrace import Client

_MINUTE = 60.0
_PARAMS = {"labels": ["a", "b"], "template": "Number {n}", "model": "stand-in"}


def main() -> None:
    """Parses the arguments and runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--requests-per-minute", type=int, default=600)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--latency-ms", type=float, default=200)
    arguments = parser.parse_args()
    limit = arguments.requests_per_minute
    run = TestRun(run_directory() / "test")
    stack = TestStack(
        run,
        workers=arguments.workers,
        worker_settings={"HEADRACE_LIMITS": json.dumps({"stand-in": {"requests_per_minute": limit}})},
        stand_in_arguments=("--latency-ms", str(arguments.latency_ms)),
    )
    for worker in stack.workers:
        worker.settings["OPENAI_PROJECT_ID"] = worker.name  # names the caller in the log
    try:
        stack.start()
        stack.control_stand_in(keep_log=True)
        asyncio.run(_drive(stack, int(limit * (arguments.minutes + 1)), arguments.minutes * _MINUTE))
        times, callers = _read_calls(stack.stand_in_url)
    finally:
        stack.close()
        run.close()
    counts = list(_counts(times))
    shares = sorted(callers.values())
    print(f"{len(times):,} calls by {len(callers)} workers, {shares[0]:,} to {shares[-1]:,} each")
    print(f"most in a minute: {max(counts):,} ({max(counts) / limit:.1%} of {limit:,})")
    print(f"least in a minute: {min(counts):,} ({min(counts) / limit:.1%})")


async def _drive(stack: TestStack, item_count: int, seconds: float) -> None:
    async with Client(stack.gateway_target) as client:
        job = await client.submit("llm.classify", [{"n": n} for n in range(item_count)], _PARAMS)
        await asyncio.sleep(seconds)
        await client.cancel(job.job_id)


def _read_calls(url: str) -> tuple[list[float], Counter[str]]:
    """Returns the time of each call in seconds, and the number of calls by caller."""
    with urllib.request.urlopen(f"{url}/call-log") as response:
        calls = json.load(response)["calls"]
    return sorted(call[2] for call in calls), Counter(call[0] for call in calls)


def _counts(times: Sequence[float]) -> Iterator[int]:
    """Yields the number of calls in each minute that ends with a call and began after the first one."""
    minute: deque[float] = deque()
    for time in times:
        minute.append(time)
        while minute[0] <= time - _MINUTE:
            minute.popleft()
        if time - times[0] >= _MINUTE:
            yield len(minute)


if __name__ == "__main__":
    main()
