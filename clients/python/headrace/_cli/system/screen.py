"""Draws the state of a system: a summary, then its jobs and its workers."""

import sys
from collections import Counter
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from headrace._cli.dollars import dollars
from headrace._cli.output.layout import TableLayout
from headrace._cli.output.tables import draw_table, open_console
from headrace._cli.output.views import COST, DONE, FAILED, JOB_ID, KIND, STATE, WORKERS, Column
from headrace._cli.system.snapshots import JOB_LIMIT, SystemSnapshot
from headrace._cli.text import instant, printable
from headrace.resources import Job

# Lines of the summary, of the titles of both tables and of the blank lines between them.
_FIXED_LINES = 9
_SHOWN_WORKERS = [
    column for column in WORKERS.columns if column.title not in ("LIVE", "STARTED", "INCARNATION")
]


class Screen:
    """A whole terminal that shows the newest snapshot. Leaving it brings back what was there.

    Args:
        target: Target of the gateway.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._console = open_console()
        self._live = Live(console=self._console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, snapshot: SystemSnapshot, fault: str) -> None:
        """Draws a snapshot.

        Args:
            snapshot: Newest snapshot.
            fault: Why there is no newer one. Empty if there is one.
        """
        width, height = self._console.size
        parts = _parts(snapshot, self._target, width, max(height - _FIXED_LINES, 4))
        if fault:
            parts = [Text(f"{fault}; trying again", style="red"), *parts]
        self._live.update(Group(*parts), refresh=True)


def snapshot_text(snapshot: SystemSnapshot, target: str) -> str:
    """Returns a snapshot as text for stdout, with all its rows."""
    limit = open_console().width if sys.stdout.isatty() else None
    parts = list(_parts(snapshot, target, limit, None))
    console = open_console(width=max(limit or 0, 200))
    with console.capture() as capture:
        console.print(Group(*parts))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _parts(
    snapshot: SystemSnapshot, target: str, width: int | None, row_limit: int | None
) -> list[RenderableType]:
    workers = snapshot.live_workers
    jobs = list(snapshot.jobs)
    if row_limit is not None:
        workers = workers[: max(row_limit // 3, 2)]
        jobs = jobs[: max(row_limit - len(workers), 2)]
    parts: list[RenderableType] = [
        Text(line, no_wrap=True, overflow="ellipsis") for line in _summary(snapshot, target)
    ]
    if jobs:
        parts += [Text(), draw_table(TableLayout(_job_columns(snapshot)), jobs, True, width)]
        if len(jobs) < len(snapshot.jobs):
            parts.append(Text(f"and {len(snapshot.jobs) - len(jobs):,} more jobs", style="dim"))
    if workers:
        parts += [Text(), draw_table(TableLayout(_SHOWN_WORKERS), workers, True, width)]
        if len(workers) < len(snapshot.live_workers):
            parts.append(Text(f"and {len(snapshot.live_workers) - len(workers):,} more workers", style="dim"))
    return parts


def _summary(snapshot: SystemSnapshot, target: str) -> Iterator[str]:
    jobs, workers = snapshot.jobs, snapshot.live_workers
    states = Counter(str(job.state).lower() for job in jobs)
    more = "+" if len(jobs) == JOB_LIMIT else ""
    done = sum(job.progress.done_count for job in jobs)
    total = sum(job.progress.total_count for job in jobs)
    yield f"headrace  {printable(target)}  {instant(snapshot.time)}"
    yield "  ".join(
        [
            f"jobs      {len(jobs):,}{more} live",
            *(f"{count:,} {state}" for state, count in states.most_common()),
            f"{done:,}/{total:,} items",
        ]
    )
    limit = sum(worker.in_flight_limit for worker in workers)
    yield "  ".join(
        [
            f"workers   {len(workers):,} live",
            f"{sum(w.in_flight_count for w in workers):,}/{limit:,} in flight",
            f"{sum(w.items_per_second for w in workers):,.1f} items/s",
            f"{sum(w.tokens_per_second for w in workers):,.0f} tokens/s",
            f"{sum(w.limited_count for w in workers):,} limited",
        ]
    )
    spent = sum(job.usage.cost_micros for job in jobs)
    rate = snapshot.cost_micros_per_second
    pace = "" if rate is None else f"  ${dollars(round(rate * 60))} a minute"
    yield f"spent     ${dollars(spent)} by live jobs{pace}"


def _job_columns(snapshot: SystemSnapshot) -> list[Column[Job]]:
    def rate(job: Job) -> str:
        known = snapshot.items_per_second.get(job.job_id)
        return "-" if known is None else f"{known:,.1f}"

    return [JOB_ID, KIND, STATE, DONE, FAILED, Column("ITEMS/S", rate, is_right=True), COST]
