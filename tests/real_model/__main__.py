"""Runs Headrace on a real model: ``python -m tests.real_model``.

Classifies and completes 50 real postings with a small model that llama.cpp serves with four slots. In the
first run a worker and the model's server are killed and started again. The second run has no faults, and its
rate is compared with that of a plain loop. Prints a table and exits with 1 if a check failed.
"""

import asyncio
import sys
import time

from deploy.local.paths import run_directory
from tests.real_model.checks import Check
from tests.real_model.rounds import Rounds


def main() -> int:
    """Runs both and returns the exit code."""
    begin = time.monotonic()
    checks = asyncio.run(_run())
    broken = sum(check.holds is False for check in checks)
    seconds = time.monotonic() - begin
    print(f"\n{broken} of {len(checks)} checks broken, {seconds:.0f} s")
    return 1 if broken else 0


async def _run() -> list[Check]:
    rounds = Rounds(run_directory() / "real-model")
    try:
        await rounds.start()
        faulty, calls = await rounds.with_faults()
        _show("With a worker and the server of the model killed", faulty)
        clean = await rounds.without_faults(calls)
        _show("Without faults", clean)
    except Exception:
        print(rounds.describe())
        raise
    finally:
        await rounds.close()
    return faulty + clean


def _show(title: str, checks: list[Check]) -> None:
    print(f"\n{title}")
    for check in checks:
        print(f"  {check}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
