"""Compares uploads with and without keys: python -m tests.bench.large_jobs.keys [--items N] [--rounds N].

It runs on the stack of ``make up``, which stores in PostgreSQL. The jobs are scheduled for later, so that no
worker runs items meanwhile, and are cancelled afterwards. Uploads of the two forms alternate.
"""

import argparse
import asyncio
import datetime
import os
import statistics
import time
from collections.abc import Iterator
from typing import Any

from headrace import Client

_FORMS = {"without keys": None, "with keys": "id"}


def main() -> None:
    """Parses the arguments and measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    target = os.environ.get("HEADRACE_TARGET", "localhost:50051")
    asyncio.run(_measure(target, arguments.items, arguments.rounds))


async def _measure(target: str, count: int, rounds: int) -> None:
    rates: dict[str, list[float]] = {form: [] for form in _FORMS}
    async with Client(target) as client:
        for _ in range(rounds):
            for form, key in _FORMS.items():
                rates[form].append(count / await _upload_seconds(client, count, key))
                print(f"{form:14} {rates[form][-1]:10,.0f} items/s", flush=True)
    without, with_keys = (statistics.median(rates[form]) for form in _FORMS)
    print(f"median: {without:,.0f} and {with_keys:,.0f} items/s, ratio {with_keys / without:.2f}")


async def _upload_seconds(client: Client, count: int, key: str | None) -> float:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    begin = time.perf_counter()
    job = await client.submit("noop", _items(count), key=key, schedule_time=later)
    seconds = time.perf_counter() - begin
    await client.cancel(job.job_id)
    if job.progress.total_count != count:
        raise RuntimeError(f"{job.progress.total_count} of {count} items are stored")
    return seconds


def _items(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"id": f"posting-{number}", "title": "Backend engineer", "company": "Example"}


if __name__ == "__main__":
    main()
