"""Measures Headrace next to its alternatives: python -m tests.bench [A B C D E F G] [--rounds N].

It prints a table and writes ``.run/bench.json`` and plots below ``.run/bench``.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable

from deploy.local.paths import run_directory
from tests.bench import batch, fairness, growth, small_jobs, time_to_know, watchers
from tests.bench.environment import peer_python, run_peer
from tests.bench.figures import Figures
from tests.bench.machine import describe_machine, read_versions
from tests.bench.options import Options
from tests.bench.table import print_table
from tests.bench.weather import part as weather

_PARTS: dict[str, Callable[[Options], Figures]] = {
    "A": batch.measure,
    "B": small_jobs.measure,
    "C": time_to_know.measure,
    "D": watchers.measure,
    "E": growth.measure,
    "F": fairness.measure,
    "G": weather.measure,
}


def main() -> None:
    """Runs the parts in order, and writes the report after each."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {' '.join(_PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor of every count; 0.1 is enough to try the bench"
    )
    arguments = parser.parse_args()
    parts = [part.upper() for part in arguments.parts] or list(_PARTS)
    if unknown := [part for part in parts if part not in _PARTS]:
        parser.error(f"no such part: {' '.join(unknown)}")
    _prepare_environment()
    report = {
        "machine": describe_machine(), "versions": read_versions(peer_python()),
        "rounds": arguments.rounds, "scale": arguments.scale, "parts": {},
    }  # fmt: skip
    for part in parts:
        print(f"\n{part}")
        figures = _PARTS[part](Options(arguments.rounds, arguments.scale))
        report["parts"][part] = figures.to_json()
        (run_directory() / "bench.json").write_text(json.dumps(report, indent=1) + "\n")
    plots = run_peer("tests.bench.plots", str(run_directory() / "bench.json"), str(run_directory() / "bench"))
    for part in report["parts"].values():
        print_table(part)
    print(f"\n{run_directory() / 'bench.json'}\n{plots}", end="")


def _prepare_environment() -> None:
    """Removes settings of the caller, any paid provider and any proxy from the environment."""
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "HEADRACE_"))]:
        if name != "HEADRACE_RUN_DIR":
            del os.environ[name]
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost"
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


if __name__ == "__main__":
    main()
