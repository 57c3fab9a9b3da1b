"""Prints the worst of 8 seeds of each scenario: python -m tests.simulation.concurrency [PART OF A NAME]."""

import sys
import time

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


if __name__ == "__main__":
    main()
