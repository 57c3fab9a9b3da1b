"""Measures how long it takes until other workers run the items of a killed one."""

import statistics

from tests.chaos.faults import kill
from tests.chaos.plan import TAKEOVER_SECONDS
from tests.chaos.row import Row
from tests.chaos.storm import Storm

KILL_COUNT = 10


async def measure_takeovers(storm: Storm) -> Row:
    """Kills the workers in turn, ten times, under load. Returns the phase with every takeover."""
    kills = [kill(f"worker-{1 + number % 2}", TAKEOVER_SECONDS) for number in range(KILL_COUNT)]
    row = await storm.run_phase(f"kill workers, {KILL_COUNT} times", [kills], max_items=5000)
    if len(row.takeover_seconds) < KILL_COUNT:
        row.broken.append(f"only {len(row.takeover_seconds)} of {KILL_COUNT} were taken over")
    return row


def describe(row: Row) -> str:
    """Returns the median and the maximum of the takeovers, and all of them."""
    seconds = sorted(row.takeover_seconds)
    if not seconds:
        return "takeover: none"
    listed = " ".join(f"{value:.1f}" for value in seconds)
    return f"takeover: median {statistics.median(seconds):.1f} s, worst {seconds[-1]:.1f} s ({listed})"
