"""Draws the progress of a job on a terminal."""

from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from headrace._cli.progress_text import done_of_all, live_lines
from headrace.resources import Job, JobForecast


class Bar:
    """A bar above the live numbers of a job.

    Args:
        stream: Terminal that can move its cursor.
    """

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
        """Begins to draw."""
        self._progress.start()

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        """Draws a snapshot, with the newest forecast or else the line."""
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
        """Stops drawing. The last state stays."""
        self._progress.stop()


class _BarOverNumbers(Progress):
    """A bar above its numbers: on one line of 80 columns they would leave it no space."""

    numbers = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        yield Text(self.numbers)
