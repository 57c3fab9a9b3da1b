"""Runs a large job and prints its rates and the memory of every process: python -m tests.bench.large_jobs.

It runs on the stack of ``make up``, or with ``--embedded`` in one new process on SQLite. Kind ``noop``
measures the system itself. ``llm.classify`` classifies real postings, repeated as needed, on the stand-in or
on the provider that the workers were started with.
"""

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy.local.paths import run_directory
from deploy.local.ports import spare_port
from deploy.local.services import ServiceProcess, embedded_system
from examples.demo.postings import read_postings
from headrace import Client
from tests.bench.large_jobs.measuring import Figures, run_job, spread
from tests.bench.large_jobs.memory import MB, MemorySamples

_SERVICES = ("gateway", "worker", "results")


def main() -> None:
    """Parses the arguments and runs the job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=("noop", "llm.classify"), default="noop")
    parser.add_argument("--embedded", action="store_true", help="run in one new process on SQLite")
    arguments = parser.parse_args()
    if arguments.embedded:
        with tempfile.TemporaryDirectory(dir=run_directory()) as folder:
            system = _embedded(Path(folder))
            try:
                asyncio.run(_measure(arguments, system.target, {"embedded": system.process.pid or 0}))
            finally:
                system.stop()
    else:
        target = os.environ.get("HEADRACE_TARGET", "localhost:50051")
        asyncio.run(_measure(arguments, target, _running_services()))


def _embedded(folder: Path) -> ServiceProcess:
    system = embedded_system(folder, spare_port(), f"sqlite+aiosqlite:///{folder}/headrace.db")
    system.start()
    system.wait_ready()
    return system


def _running_services() -> dict[str, int]:
    paths = sorted(run_directory().glob("*.pid"))
    pids = {path.stem: int(path.read_text()) for path in paths if path.stem.startswith(_SERVICES)}
    if not pids:
        sys.exit("no stack is running: run `make up` first, or use --embedded")
    return pids


async def _measure(arguments: argparse.Namespace, target: str, pids: dict[str, int]) -> None:
    items, params = _items(arguments.kind)
    async with Client(target) as client, MemorySamples(pids | {"client": os.getpid()}) as memory:
        job, figures = await run_job(client, arguments.kind, params, items, arguments.items)
    print(f"{arguments.kind}, {arguments.items:,} items, job {job.job_id}")
    _print_figures(arguments.items, figures)
    print("\nmemory, MB              start    peak     end")
    for name in memory.peak:
        row = (memory.first[name], memory.peak[name], memory.last[name])
        print(f"  {name:20}" + "".join(f"{size / MB:8.0f}" for size in row))


def _items(kind: str) -> tuple[Iterator[Any], Any]:
    if kind == "noop":
        return itertools.count(), None
    postings = read_postings()
    labels = sorted({posting.category for posting in postings})
    params = {"labels": labels, "template": "Which category? {title} at {company}, {department}"}
    return itertools.cycle(posting.item for posting in postings), params


def _print_figures(count: int, figures: Figures) -> None:
    def timed(name: str, seconds: float) -> None:
        print(f"  {name:22} {seconds:8.1f} s   {count / seconds:8,.0f} items/s")

    timed("upload", figures.upload_seconds)
    timed("submit to end", figures.job_seconds)
    print(f"  items/s of each tenth  {' '.join(f'{rate:,.0f}' for rate in figures.part_rates)}")
    timed("results streamed", figures.stream_seconds)
    tenth = max(1, len(figures.page_ms) // 10)
    print("  milliseconds           median / maximum")
    print(f"    GetJob meanwhile     {spread(figures.get_ms)}")
    print(f"    first pages of 1,000 {spread(figures.page_ms[:tenth])}")
    print(f"    last pages of 1,000  {spread(figures.page_ms[-tenth:])}")
    print(f"    pages of jobs        {spread(figures.list_ms)}")


if __name__ == "__main__":
    main()
