"""Injects faults under load and checks every guarantee: python -m tests.chaos.

Each fault comes alone first, then a random mix for the rest of the time, and then 200,000 random requests.
The seed is printed first. The same seed repeats the load, the mix, the random requests and the faults of the
provider, but not their timing. ``takeover`` kills workers instead and measures how long the others need.
Exits with 1 if a guarantee was broken.
"""

import argparse
import asyncio
import random
import sys
import time

from deploy.local.paths import run_directory
from deploy.local.testing.run import TestRun
from tests.chaos import table
from tests.chaos.fuzz.phase import run_fuzz
from tests.chaos.plan import each_alone, random_mix
from tests.chaos.row import Row
from tests.chaos.storm import Storm
from tests.chaos.system import System
from tests.chaos.takeover import describe, measure_takeovers

MAX_ITEMS = 5000
FUZZ = "fuzz"


def main() -> None:
    """Parses the arguments, runs the storm and prints its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=("storm", "takeover"), default="storm")
    parser.add_argument("--seconds", type=float, default=600.0, help="duration of the storm (default 600)")
    parser.add_argument("--seed", type=int, help="seed of the storm (default: a new one)")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        help="only faults whose names contain this text; mix: only the mix; fuzz: only random requests",
    )
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    run = TestRun(run_directory() / "test")
    try:
        rows = asyncio.run(_run(run, seed, arguments))
    finally:
        run.close()
    sys.exit(1 if any(row.broken for row in rows) else 0)


async def _run(run: TestRun, seed: int, arguments: argparse.Namespace) -> list[Row]:
    rows = [] if arguments.only == FUZZ else await _break(run, seed, arguments)
    if arguments.what == "storm" and arguments.only in (None, FUZZ):
        if not rows:
            print(table.head(), flush=True)
        rows.append(_show(await run_fuzz(run, seed)))
    return rows


async def _break(run: TestRun, seed: int, arguments: argparse.Namespace) -> list[Row]:
    begin = time.monotonic()
    system = System(run)
    try:
        await system.start()
        storm = Storm(system, seed)
        await storm.begin()
        print(table.head(), flush=True)
        rows = [_show(await storm.run_phase("nothing", [], max_items=MAX_ITEMS))]
        if arguments.what == "takeover":
            rows.append(_show(await measure_takeovers(storm)))
            print(describe(rows[-1]))
            return rows
        return rows + await _storm(storm, seed, begin + arguments.seconds, arguments.only)
    except BaseException:
        print(system.stack.logs())
        raise
    finally:
        await system.close()


async def _storm(storm: Storm, seed: int, deadline: float, only: str | None) -> list[Row]:
    rows = []
    for fault in each_alone(random.Random(seed)):
        if only is None or only in fault.name:
            rows.append(_show(await storm.run_phase(fault.name, [[fault]])))
    if only is None or only == "mix":
        left = max(60.0, deadline - time.monotonic())
        mix = random_mix(random.Random(seed), left)
        for lane in mix:
            print("mix: " + "; ".join(fault.name for fault in lane), flush=True)
        rows.append(_show(await storm.run_phase("mix", mix, max_items=MAX_ITEMS, backlog=3000)))
    return rows


def _show(row: Row) -> Row:
    print(table.line(row), flush=True)
    return row


if __name__ == "__main__":
    main()
