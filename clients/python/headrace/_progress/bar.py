"""Draws a job as a bar of tqdm, on a terminal or in a notebook."""

import warnings
from typing import TextIO

with warnings.catch_warnings():
    # Without ipywidgets, a notebook gets the bar as text. That needs no warning.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

from headrace.resources import Job

_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    monitor_interval = 0  # no thread that redraws: each step of the watch does


class Bar:
    """A bar of done items with the speed behind it.

    Args:
        stream: Terminal. A notebook with ipywidgets draws the bar itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: _Bar | None = None

    def draw(self, job: Job | None, state: str, parts: list[str]) -> None:
        """Draws the bar anew."""
        if self._bar is None:
            self._bar = _Bar(
                total=1, desc=state, file=self._stream, bar_format=_FORMAT, dynamic_ncols=True, delay=0
            )
        if job is not None:
            self._bar.total = max(job.progress.total_count, 1)
            self._bar.n = job.progress.done_count
        self._bar.set_description_str(state, refresh=False)
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._bar.refresh()

    def say(self, line: str) -> None:
        """Prints a line below the bar."""
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the drawing. The bar stays."""
        if self._bar is not None:
            self._bar.close()
