"""Shows the progress of a running job: a bar on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from headrace._cli.progress_text import done_of_all, live_lines, outage_line, speed_and_costs
from headrace._cli.rate import RateMeter
from headrace.resources import Job, JobForecast, JobState

SECONDS_BETWEEN_LINES = 1.0
# A gateway without a forecast after this time is of an older release: then the end is estimated here.
PATIENCE_SECONDS = 3.0


class ProgressDisplay:
    """Shows item counts, speed, waiting items, remaining time, failures, tokens and costs.

    Use it as a context manager, and call ``show`` with each event of a watch.

    Args:
        stream: Output stream. Default: stdout. A terminal shows a bar. Other streams get a line for each
            change of state, and at most one a second between them.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        stream = stream or sys.stdout
        self._clock = clock
        self._rate = RateMeter()
        self._start: float | None = None
        self._view: _View = _Bar(stream) if stream.isatty() else _Lines(stream)

    def __enter__(self) -> Self:
        self._view.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._view.close()

    def show(self, job: Job, forecast: JobForecast | None = None) -> None:
        """Shows a snapshot with the newest forecast, if there is one."""
        now = self._clock()
        self._rate.add(now, job.progress.done_count)
        self._start = now if self._start is None else self._start
        self._view.show(job, forecast, self._line(job, forecast, now), now)

    def _line(self, job: Job, forecast: JobForecast | None, now: float) -> str:
        if forecast is not None:
            left = forecast.estimated_remaining
            seconds = None if left is None else left.total_seconds()
            line = speed_and_costs(job, forecast.items_per_second, seconds)
            return f"{line}  {outage_line(forecast.outage)}" if forecast.outage else line
        rate = self._rate.per_second(now)
        is_older_release = self._start is not None and now - self._start >= PATIENCE_SECONDS
        return speed_and_costs(job, rate, time_left(job, rate) if is_older_release else None)


class _View(Protocol):
    def open(self) -> None: ...
    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None: ...
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

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        if self._task is None:
            self._task = self._progress.add_task("", state="", done="")
        self._progress.numbers = line if forecast is None else live_lines(job, forecast)
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
    """A bar above its numbers: on one line of 80 columns they would leave it no space."""

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

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        if job.state.is_terminal:  # the summary shows it in full
            return
        if self._shown and self._shown[0] == job.state and now - self._shown[1] < SECONDS_BETWEEN_LINES:
            return
        self._shown = (job.state, now)
        print(f"{job.state:10} {done_of_all(job)}  {line}", file=self._stream, flush=True)

    def close(self) -> None:
        pass


def time_left(job: Job, rate: float | None) -> float | None:
    """Returns the seconds until the end at this rate. None if the job is not running or the rate unknown."""
    if not rate or job.state is not JobState.RUNNING:
        return None
    return (job.progress.total_count - job.progress.done_count) / rate
