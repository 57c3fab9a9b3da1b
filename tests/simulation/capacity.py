"""Computes the needs of a fleet from measured unit costs: python -m tests.simulation.capacity.

The costs are constants below, with their sources. The table in services/README.md is its output. To update
it, use the options, and new figures from ``tests.simulation`` and from ``tests.simulation.database_cost``.
"""

# ruff: noqa: RUF001  # the table is for readers

import argparse
from collections.abc import Iterator
from typing import NamedTuple

# CPU of PostgreSQL and of the store, in ms per call; bytes of write-ahead log per call. From database_cost.
HEARTBEAT = (0.33, 0.58, 249)
LEASE = (0.63, 1.3, 1_513)
EMPTY_LEASE = (0.4, 0.75, 152)
RECORD = (0.55, 1.15, 720)
SWEEP = (2.3, 17.7, 174)
# Each further item of a record, and each created item: CPU of both in ms, and bytes of write-ahead log.
RECORD_ITEM = (0.012, 0.025, 1_060)
CREATE_ITEM = (0.004, 0.007, 550)
# Bytes stored per item, with 500 bytes each of input and output that cannot be compressed.
ITEM_BYTES = 920 + 543 + 10
RECORD_WAIT_SECONDS = 0.25
CHUNK_ITEMS = 100
HEARTBEAT_SECONDS = 2.0
LOOK_AGAIN_SECONDS = 2.0
# CPU of a message on a progress stream, for its reader and its writer, in ms; memory of a stream at either
# end, in KB.
STREAM_MESSAGE_MS = 0.14
STREAM_KB = 25
CONNECTIONS_TO_RABBITMQ = 7
SCRIPT_MS = 0.25
LLM_ITEM_MS = 1.1
RETENTION_DAYS = 30


class Fleet(NamedTuple):
    """The fleet to compute.

    Attributes:
        items_per_day: Items per day.
        peak: Ratio of the busiest minutes to the mean.
        workers: Number of workers.
        gateways: Number of gateways.
        call_seconds: Duration of an item.
    """

    items_per_day: float = 100_000_000
    peak: float = 2.2
    workers: int = 1_000
    gateways: int = 3
    call_seconds: float = 8.0


class Row(NamedTuple):
    """A line of the table."""

    what: str
    how: str
    mean: str
    peak: str


class Rates(NamedTuple):
    """Events per second."""

    items: float
    records: float
    leases: float
    empty_leases: float
    heartbeats: float
    sweeps: float


def rates_of(fleet: Fleet, items: float) -> Rates:
    """Returns the events per second of a fleet at a number of items per second."""
    of_worker = items / fleet.workers
    # A batch holds the items that end within its wait after the first one; a busy worker's is full earlier.
    records = max(of_worker / (1 + RECORD_WAIT_SECONDS * of_worker), of_worker / 100) * fleet.workers
    empty = fleet.workers / LOOK_AGAIN_SECONDS
    return Rates(
        items=items,
        records=records,
        leases=items / CHUNK_ITEMS,
        empty_leases=empty,
        heartbeats=fleet.workers / HEARTBEAT_SECONDS,
        sweeps=fleet.gateways,
    )


def cores(rates: Rates, column: int) -> float:
    """Returns the cores that PostgreSQL (0) or the store (1) needs, or the bytes of log per second (2)."""
    each = (
        rates.heartbeats * HEARTBEAT[column]
        + rates.leases * LEASE[column]
        + rates.records * RECORD[column]
        + rates.empty_leases * EMPTY_LEASE[column]
        + rates.sweeps * SWEEP[column]
        + rates.items * (RECORD_ITEM[column] + CREATE_ITEM[column])
    )
    return each / 1000 if column < 2 else each


def table(fleet: Fleet) -> Iterator[Row]:
    """Yields the lines."""
    mean = rates_of(fleet, fleet.items_per_day / 86_400)
    peak = rates_of(fleet, mean.items * fleet.peak)

    def row(what: str, how: str, of_mean: float, of_peak: float, form: str = ",.0f") -> Row:
        return Row(what, how, format(of_mean, form), format(of_peak, form))

    yield row("items a second", f"a day / 86,400; peak × {fleet.peak:g}", mean.items, peak.items)
    yield row("items in flight", "× seconds of a call", *(r.items * fleet.call_seconds for r in (mean, peak)))
    yield row("RecordResults a second", "λ / (1 + 0.25 λ) a worker", mean.records, peak.records)
    yield row(
        "LeaseChunks a second",
        "items / 100 + workers / 2 s",
        *(r.leases + r.empty_leases for r in (mean, peak)),
    )
    yield row("Heartbeat a second", "workers / 2 s", mean.heartbeats, peak.heartbeats)
    writes = [r.records + r.leases + r.empty_leases + r.heartbeats + 2 * r.sweeps for r in (mean, peak)]
    yield row("transactions a second", "their sum, and sweeps", *writes)
    yield row("PostgreSQL, cores", "ms a call × calls", *(cores(r, 0) for r in (mean, peak)), ".1f")
    yield row("results, cores", "ms a call × calls", *(cores(r, 1) for r in (mean, peak)), ".1f")
    yield row(
        "write-ahead log, MB/s", "bytes a call × calls", *(cores(r, 2) / 1e6 for r in (mean, peak)), ".1f"
    )
    day = fleet.items_per_day * ITEM_BYTES / 1e9
    yield Row("disk, GB a day", f"{ITEM_BYTES:,} bytes an item", f"{day:,.0f}", "")
    yield Row(f"disk, TB in {RETENTION_DAYS} days", "× retention", f"{day * RETENTION_DAYS / 1000:.1f}", "")
    yield row("StreamProgress streams", "workers × gateways", *[fleet.workers * fleet.gateways] * 2)
    yield row("messages a second to each gateway", "a snapshot a record", mean.records, peak.records)
    stream = [r.records * STREAM_MESSAGE_MS / 1000 for r in (mean, peak)]
    yield row("of each gateway for them, cores", f"{STREAM_MESSAGE_MS} ms each", *stream, ".2f")
    streams = fleet.workers * STREAM_KB / 1000
    yield row("of each gateway for streams, MB", f"{STREAM_KB} KB each", streams, streams)
    yield row("connections to RabbitMQ", "7 a worker", *[fleet.workers * CONNECTIONS_TO_RABBITMQ] * 2)
    yield row("scripts of limits a second", "one a call, where calls are rare", mean.items, peak.items)
    yield row(
        "Redis for them, cores", f"{SCRIPT_MS} ms", *(r.items * SCRIPT_MS / 1000 for r in (mean, peak)), ".2f"
    )
    yield row(
        "all workers, cores",
        f"{LLM_ITEM_MS} ms an item",
        *(r.items * LLM_ITEM_MS / 1000 for r in (mean, peak)),
        ".1f",
    )


def main() -> None:
    """Prints the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in Fleet()._asdict().items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    fleet = Fleet(**vars(parser.parse_args()))
    print("| need | by | mean | peak |\n|---|---|---|---|")
    for line in table(fleet):
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main()
