"""Shows a job until it has ended: a bar of tqdm where it is installed, or else one line."""

import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Protocol, Self, TextIO

from headrace._progress.text import describe_counts, describe_speed, describe_state
from headrace._progress.views import Lines, RewrittenLine
from headrace._transport.notebooks import in_notebook
from headrace.resources import Job, JobEvent

SECONDS_BETWEEN_DRAWINGS = 0.1
SECONDS_BETWEEN_LINES = 5.0
RECONNECTING = "reconnecting"

logger = logging.getLogger("headrace")


class View(Protocol):
    """Draws a job on a stream."""

    def draw(self, job: Job | None, state: str, parts: list[str]) -> None:
        """Draws the state, the counts of a job if it is known, and the parts of a line."""

    def say(self, line: str) -> None:
        """Prints a line of its own."""

    def close(self) -> None:
        """Ends the drawing. Its last state stays."""


class JobDisplay:
    """Shows the steps of a watch. Use it as a context manager, and call ``show`` with each step.

    A notebook and a terminal show a bar of tqdm if it is installed, or else a line that is rewritten. Another
    stream gets a line for each change of state, and at most one each five seconds besides. A stream that
    cannot be written ends nothing.

    Args:
        stream: Output stream. Default: stderr.
        clock: Monotonic clock, in seconds.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._view: View | None = None
        self._event: JobEvent | None = None
        self._shown: tuple[str, float] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._view is None:
            return
        with suppress(OSError, ValueError):
            self._view.close()
            if self._event is not None and error is not None and not self._event.state.is_terminal:
                job_id = self._event.job.job_id
                self._view.say(f"job {job_id} continues; to show it again: progress({job_id!r})")

    def show(self, step: JobEvent | None) -> None:
        """Shows an event of a watch. None: the connection is lost and being opened again."""
        self._event = step or self._event
        job = None if self._event is None else self._event.job
        state = RECONNECTING if step is None else describe_state(step.job)
        is_terminal = step is not None and step.state.is_terminal
        now = self._clock()
        if self._view is None:
            self._view = open_view(self._stream)
        wait = SECONDS_BETWEEN_LINES if isinstance(self._view, Lines) else SECONDS_BETWEEN_DRAWINGS
        is_same = self._shown is not None and self._shown[0] == state
        if self._shown is not None and is_same and now - self._shown[1] < wait and not is_terminal:
            return
        self._shown = (state, now)
        with suppress(OSError, ValueError):  # a full disk, or a closed stream
            self._view.draw(job, state, [] if step is None else describe_speed(step))


class PauseWarnings:
    """Logs a warning when a job pauses that nothing shows. Takes the place of a JobDisplay."""

    def __init__(self) -> None:
        self._warned_of = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, step: JobEvent | None) -> None:
        """Looks at an event of a watch."""
        if step is None:
            return
        state = describe_state(step.job)
        if state.startswith("PAUSED") and state != self._warned_of:
            parts = "; ".join([describe_counts(step.job), *describe_speed(step)])
            logger.warning("job %s is %s and waits to be resumed: %s", step.job.job_id, state, parts)
        self._warned_of = state


def open_view(stream: TextIO) -> View:
    """Returns the view for a stream."""
    is_terminal = getattr(stream, "isatty", lambda: False)()
    moves_cursor = is_terminal and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
    if not moves_cursor and not (in_notebook() and stream is sys.stderr):
        return Lines(stream)
    try:
        from headrace._progress.bar import Bar
    except ImportError:
        return RewrittenLine(stream)
    return Bar(stream)
