"""A job's progress while it runs: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from headrace.cli.dollars import dollars
from headrace.cli.rate import RateMeter
from headrace.resources import Job, JobState, PauseReason

SECONDS_BETWEEN_LINES = 1.0


class ProgressDisplay:
    """Shows items done of all, items a second, time left, failed items and tokens.

    Use it as a context manager and give it each snapshot of a watch.

    Args:
        stream: Where to show; default: stdout. Only a terminal gets a bar; anything else gets a line for
            each change of state, and between them one a second at most.
        clock: Seconds of a clock that does not go back.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        stream = stream or sys.stdout
        self._clock = clock
        self._rate = RateMeter()
        self._view: _View = _Bar(stream) if stream.isatty() else _Lines(stream)

    def __enter__(self) -> Self:
        self._view.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._view.close()

    def show(self, job: Job) -> None:
        """Shows a snapshot."""
        now = self._clock()
        self._rate.add(now, job.progress.done_count)
        self._view.show(job, self._rate.per_second(now), now)


class _View(Protocol):
    def open(self) -> None: ...
    def show(self, job: Job, rate: float | None, now: float) -> None: ...
    def close(self) -> None: ...


class _Bar:
    def __init__(self, stream: TextIO) -> None:
        self._progress = _BarOverNumbers(
            TextColumn("{task.fields[state]}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[done]}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=stream, force_terminal=True, highlight=False),
            expand=True,
        )
        self._task: TaskID | None = None

    def open(self) -> None:
        self._progress.start()

    def show(self, job: Job, rate: float | None, now: float) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", state="", done="")
        self._progress.numbers = speed_and_costs(job, rate)
        self._progress.update(
            self._task,
            completed=job.progress.done_count,
            total=max(job.progress.total_count, 1),
            state=str(job.state),
            done=done_of_all(job),
            refresh=job.state.is_terminal,
        )

    def close(self) -> None:
        self._progress.stop()


class _BarOverNumbers(Progress):
    """A bar with a line of numbers under it: beside it they would leave it no room on 80 columns."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.numbers)


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: tuple[str, float] | None = None

    def open(self) -> None:
        pass

    def show(self, job: Job, rate: float | None, now: float) -> None:
        if job.state.is_terminal:  # told in full by the summary
            return
        if self._shown and self._shown[0] == job.state and now - self._shown[1] < SECONDS_BETWEEN_LINES:
            return
        self._shown = (job.state, now)
        line = f"{job.state:10} {done_of_all(job)}  {speed_and_costs(job, rate)}"
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        pass


def done_of_all(job: Job) -> str:
    """Returns how many items are done, of how many."""
    return f"{job.progress.done_count:,}/{job.progress.total_count:,}"


def speed_and_costs(job: Job, rate: float | None) -> str:
    """Returns in a line: items a second and time left where known, failed items, tokens, their cost.

    While items are still uploaded, or the job stands still, nobody knows how long it takes.
    """
    parts = []
    if rate and not job.state.is_terminal:
        parts = [f"{rate:,.1f} items/s"]
    if rate and job.state is JobState.RUNNING:
        left = (job.progress.total_count - job.progress.done_count) / rate
        parts.append(f"ETA {duration(left)}")
    parts.append(f"failed {job.progress.failed_count:,}")
    parts.append(f"tokens {job.usage.input_tokens + job.usage.output_tokens:,}")
    if job.usage.cost_micros:
        parts.append(f"cost ${dollars(job.usage.cost_micros)}")
    if job.pause_reason is PauseReason.BUDGET:
        parts.append("budget spent")
    return "  ".join(parts)


def duration(seconds: float) -> str:
    """Returns a duration as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
