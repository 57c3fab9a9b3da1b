"""Runs the scenarios on 1,000 workers and prints the results: python -m tests.simulation.

Time is virtual: a minute of 1,000 workers takes a few minutes of one core.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterator

import structlog

from tests.simulation import scenarios
from tests.simulation.scenarios import Size
from tests.simulation.virtual_time import run_virtually

Line = tuple[str, str]


def main() -> None:
    """Runs the scenarios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", metavar="PART", help="default: all of them")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--limit", type=int, default=20, help="maximum items in flight of each worker")
    parser.add_argument("--call-seconds", type=float, default=8.0, help="mean duration of an item")
    parser.add_argument("--work-seconds", type=float, default=90.0, help="time for which there is work")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    size = Size(given.workers, given.limit, given.call_seconds, given.work_seconds, given.seed)
    print(f"seed {size.seed}: {size.workers:,} workers, {size.item_count / size.work_seconds:,.0f} items/s")
    for name in given.only or _PARTS:
        begin = time.perf_counter()
        lines = list(_PARTS[name](size))
        print(f"\n{name} ({time.perf_counter() - begin:.0f} s)", flush=True)
        for what, value in lines:
            print(f"  {what:66} {value}", flush=True)


def _tenants(size: Size) -> Iterator[Line]:
    found = run_virtually(scenarios.try_tenants(size))
    yield (
        "share of the tenant with one large job, of the one with small jobs",
        " : ".join(f"{share:.2f}" for share in found.shares.values()),
    )
    yield "job of 10 items on an idle fleet: starts, ends after", _wait(found.idle)
    yield "job of 10 items of a new tenant on a full fleet: starts, ends after", _wait(found.late)


def _wait(wait: scenarios.Wait) -> str:
    return f"{wait.start:.2f} s, {wait.end:.1f} s"


def _classes(size: Size) -> Iterator[Line]:
    found = run_virtually(scenarios.try_classes(size))
    for name, wanted in (("interactive", 16), ("default", 4), ("bulk", 1)):
        yield f"share of {name} (wanted {wanted / 21:.2f})", f"{found[name]:.2f}"


def _deaths(size: Size) -> Iterator[Line]:
    for how, ports_refuse in (("ports refuse", True), ("only silent", False)):
        found = run_virtually(scenarios.try_deaths(size, ports_refuse=ports_refuse))
        middle = found.again[len(found.again) // 2]
        yield (
            f"{how}: a lost chunk runs again after, median and longest",
            (f"{middle:.1f} s, {found.again[-1]:.1f} s ({len(found.again)} of {found.lost_count})"),
        )
        yield (
            f"{how}: items started twice, of those in flight",
            (f"{found.repeated_count} of {found.in_flight_count}, {found.missing_count} missing"),
        )


def _outage(size: Size) -> Iterator[Line]:
    found = run_virtually(scenarios.try_outage(size))
    yield "live workers, lowest count", f"{found.fewest_live}"
    yield "chunks leased twice, items started twice", f"{found.lost_count}, {found.repeated_count}"
    yield "items start again after the store is back", f"{found.idle_seconds:.1f} s"


def _load(size: Size) -> Iterator[Line]:
    found = run_virtually(scenarios.try_load(size))
    yield "items started per second; tasks published", f"{found.items:,.0f}; {found.messages:,.1f}"
    for name, rate in sorted(found.calls.items()):
        yield (
            f"{name} per second; statements, rows of each",
            (
                f"{rate:,.1f}; {found.statements.get(name, 0) / rate:.1f},"
                f" {found.rows.get(name, 0) / rate:.1f}"
            ),
        )


_PARTS: dict[str, Callable[[Size], Iterator[Line]]] = {
    "tenants": _tenants,
    "classes": _classes,
    "deaths": _deaths,
    "outage": _outage,
    "load": _load,
}

if __name__ == "__main__":
    main()
