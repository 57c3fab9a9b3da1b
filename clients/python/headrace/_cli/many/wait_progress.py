"""Shows how many of several jobs and of their items are done: one line on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from headrace._cli.progress import SECONDS_BETWEEN_LINES, moves_cursor, print_progress
from headrace._cli.progress_text import Part
from headrace.resources import Job, Progress

if TYPE_CHECKING:
    from headrace._cli.terminal.bar import LiveLine


class WaitProgress:
    """Progress of a wait, on stderr. Use it as a context manager.

    Args:
        job_count: Number of jobs.
        quiet: Whether to show nothing.
        stream: Output stream. Default: stderr.
        clock: Monotonic clock, in seconds.
    """

    def __init__(
        self,
        job_count: int,
        *,
        quiet: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._job_count = job_count
        self._quiet = quiet
        self._clock = clock
        self._progress: dict[str, Progress] = {}
        self._ended: set[str] = set()
        self._shown_time: float | None = None
        self._shown_text = ""
        self._line = _open_line(self._stream) if not quiet and moves_cursor(self._stream) else None

    def __enter__(self) -> Self:
        if self._line:
            self._line.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._line:
            self._line.close()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Takes the line off the terminal while its body prints to stdout."""
        if self._line is None:
            yield
            return
        self._line.close()
        yield
        self._line.open()

    def show(self, job: Job) -> None:
        """Counts a snapshot of a job."""
        self._progress[job.job_id] = job.progress
        if job.state.is_terminal:
            self._ended.add(job.job_id)
        done = sum(each.done_count for each in self._progress.values())
        total = sum(each.total_count for each in self._progress.values())
        items = f"{done:,}/{total:,} items"
        if self._line:
            jobs = f"{len(self._ended):,}/{self._job_count:,} jobs"
            self._line.draw("waiting", "", done, total, [Part(jobs, 0), Part(items, 1)])
        elif not self._quiet:
            self._print(f"waiting    {len(self._ended):,} of {self._job_count:,} jobs ended, {items} done")

    def _print(self, text: str) -> None:
        now = self._clock()
        is_late = self._shown_time is None or now - self._shown_time >= SECONDS_BETWEEN_LINES
        if not is_late or text == self._shown_text or len(self._ended) == self._job_count:
            return
        self._shown_time, self._shown_text = now, text
        print_progress(text, self._stream)


def _open_line(stream: TextIO) -> "LiveLine":
    from headrace._cli.terminal.bar import LiveLine  # imports rich

    return LiveLine(stream, transient=True)
