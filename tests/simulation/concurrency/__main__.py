"""Prints the worst of 8 seeds of each scenario: python -m tests.simulation.concurrency [PART OF A NAME]."""

import sys
import time

from tests.simulation.concurrency.fleets import FLEETS, Ran
from tests.simulation.concurrency.scenarios import SCENARIOS, SEEDS


def main() -> None:
    """Runs the scenarios."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"{'worst of 8 seeds':42} {'share':>6} {'rejected':>8} {'timeouts':>8} {'fairness':>8}")
    for name, scenario in SCENARIOS.items():
        if wanted not in name:
            continue
        begin = time.process_time()
        found = [scenario.run(seed) for seed in SEEDS]
        share = min(each.share for each in found)
        rejected = max(each.rejected for each in found)
        timeout_count = max(each.timeout_count for each in found)
        fairness = min(each.fairness for each in found)
        seconds = time.process_time() - begin
        print(
            f"{name:42} {share:6.1%} {rejected:8.1%} {timeout_count:8} {fairness:8.2f}  ({seconds:.1f} s)",
            flush=True,
        )
    for name, fleet in FLEETS.items():
        if wanted in name:
            print_fleet(name, [fleet.run(seed) for seed in SEEDS], fleet.seconds)


def print_fleet(name: str, ran: list[Ran], end: float) -> None:
    """Prints a fleet's worst figures from 30 s on, and those after its change at 60 s."""
    for begin in (30.0, 65.0):
        print(
            f"{f'{name}: from {begin:.0f} s':42} {min(each.share(begin, end) for each in ran):6.1%} "
            f"{max(each.rejected(begin, end) for each in ran):8.1%} {'':8} "
            f"{min(each.fairness(begin, end) for each in ran):8.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
