"""Shows the progress of a running job: one line on a terminal, lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, TextIO

from headrace._cli.progress_text import done_of_all, outage_line, speed_and_costs
from headrace._cli.rate import RateMeter
from headrace.resources import Job, JobForecast, JobState

SECONDS_BETWEEN_LINES = 1.0
# A gateway without a forecast after this time is of an older release: then the end is estimated here.
PATIENCE_SECONDS = 3.0


class ProgressDisplay:
    """Shows item counts, speed, waiting items, remaining time, failures, tokens and costs.

    Use it as a context manager, and call ``show`` with each event of a watch.

    Args:
        stream: Output stream. Default: stderr. A terminal shows a bar with numbers on one line. Other
            streams, and terminals that cannot move the cursor, get a line for each change: at once for a
            change of state, and else at most one a second.
        clock: Monotonic clock, in seconds.
        quiet: Whether to show nothing.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        quiet: bool = False,
    ) -> None:
        stream = stream or sys.stderr
        self._clock = clock
        self._rate = RateMeter()
        self._start: float | None = None
        self._view: _View = _open_view(stream, quiet)

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


def moves_cursor(stream: TextIO) -> bool:
    """Returns whether a stream is a terminal on which a line can be drawn again."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


def _open_view(stream: TextIO, quiet: bool) -> "_View":
    if quiet:
        return _Nothing()
    if not moves_cursor(stream):
        return _Lines(stream)
    from headrace._cli.terminal.bar import Bar  # imports rich, which takes a third of the start

    return Bar(stream)


class _View(Protocol):
    def open(self) -> None: ...
    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None: ...
    def close(self) -> None: ...


class _Nothing:
    def open(self) -> None:
        pass

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        pass

    def close(self) -> None:
        pass


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: tuple[str, float] | None = None
        self._last_line = ""

    def open(self) -> None:
        pass

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        if job.state.is_terminal:  # the summary shows it in full
            return
        if self._shown and self._shown[0] == job.state and now - self._shown[1] < SECONDS_BETWEEN_LINES:
            return
        text = f"{job.state:10} {done_of_all(job)}  {line}"
        if text == self._last_line:
            return
        self._shown, self._last_line = (job.state, now), text
        print_progress(text, self._stream)

    def close(self) -> None:
        pass


def print_progress(text: str, stream: TextIO) -> None:
    """Prints a line of progress. A full disk under the stream does not end a watch."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        pass


def time_left(job: Job, rate: float | None) -> float | None:
    """Returns the seconds until the end at this rate. None if the job is not running or the rate unknown."""
    if not rate or job.state is not JobState.RUNNING:
        return None
    return (job.progress.total_count - job.progress.done_count) / rate
