"""Draws progress on one line of a terminal."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from headrace._cli.output.views import state_style
from headrace._cli.progress_text import Part, counts_part, fitting_text, line_part, live_parts
from headrace.resources import Job, JobForecast

_GAP = 2
_BAR_WIDTH = 8
_BAR_LIMIT = 40
# Numbers up to this rank are shown rather than the bar.
_VITAL_RANK = 3


class LiveLine:
    """A line with a label, a bar and numbers. Numbers of less weight give way on a narrow terminal.

    Args:
        stream: Terminal that can move its cursor.
        transient: Whether closing removes the line.
    """

    def __init__(self, stream: TextIO, *, transient: bool = False) -> None:
        self._line = _Line()
        self._console = Console(file=stream, force_terminal=True, highlight=False)
        self._live = Live(
            self._line,
            console=self._console,
            transient=transient,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def open(self) -> None:
        """Begins to draw."""
        self._live.start()

    def draw(self, label: str, style: str, done: int, total: int, parts: Sequence[Part]) -> None:
        """Draws other values.

        Args:
            label: Text before the bar.
            style: Style of the label, such as a colour.
            done: Length of the finished part of the bar.
            total: Length of the bar.
            parts: Numbers after the bar.
        """
        self._line.label = Text(label, style=style)
        self._line.done, self._line.total = done, max(total, 1)
        self._line.parts = parts

    def refresh(self) -> None:
        """Draws at once, instead of within a quarter of a second."""
        self._live.refresh()

    def close(self) -> None:
        """Stops drawing."""
        self._live.stop()


class Bar:
    """The progress of a job, on one line.

    Args:
        stream: Terminal that can move its cursor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._line = LiveLine(stream)

    def open(self) -> None:
        """Begins to draw."""
        self._line.open()

    def show(self, job: Job, forecast: JobForecast | None, line: str, now: float) -> None:
        """Draws a snapshot, with the newest forecast or else the line."""
        numbers = [line_part(line)] if forecast is None else live_parts(job, forecast)
        parts = [counts_part(job), *numbers]
        self._line.draw(
            str(job.state), state_style(job), job.progress.done_count, job.progress.total_count, parts
        )
        if job.state.is_terminal:
            self._line.refresh()

    def close(self) -> None:
        """Stops drawing. The last state stays."""
        self._line.close()


class _Line:
    def __init__(self) -> None:
        self.label = Text()
        self.done, self.total = 0, 1
        self.parts: Sequence[Part] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        free = options.max_width - self.label.cell_len - _GAP
        vital = fitting_text([part for part in self.parts if part.rank <= _VITAL_RANK], free)
        numbers = fitting_text(self.parts, max(free - _BAR_WIDTH - _GAP, len(vital)))
        bar_width = min(free - len(numbers) - _GAP, _BAR_LIMIT)
        row = Table.grid(padding=(0, _GAP, 0, 0))
        cells: list[Text | ProgressBar] = [self.label, Text(numbers)]
        row.add_column(no_wrap=True)
        if bar_width >= _BAR_WIDTH:
            row.add_column(width=bar_width)
            cells.insert(1, ProgressBar(total=self.total, completed=self.done))
        row.add_column(no_wrap=True, overflow="ellipsis")
        row.add_row(*cells)
        yield row
