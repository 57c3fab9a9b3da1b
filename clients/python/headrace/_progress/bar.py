"""Draws a job as a bar of tqdm, on a terminal or in a notebook."""

import warnings
from typing import TextIO

with warnings.catch_warnings():
    # Without ipywidgets, a notebook gets the bar as text. That needs no warning.
    warnings.simplefilter("ignore")
    from tqdm.auto import tqdm

from headrace._progress.views import columns_of
from headrace._transport.notebooks import in_notebook
from headrace.resources import Job

_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
_ROWS = 20  # as tqdm assumes where it cannot ask


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    monitor_interval = 0  # no thread that redraws: each step of the watch does


class Bar:
    """A bar of done items with the speed behind it.

    Args:
        stream: Terminal. A notebook with ipywidgets draws the bar itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # On a terminal that does not know its size, tqdm would draw nothing.
        self._fits_itself = in_notebook()
        self._bar: _Bar | None = None

    def draw(self, job: Job | None, state: str, parts: list[str]) -> None:
        """Draws the bar anew."""
        total, done = (1, 0) if job is None else (max(job.progress.total_count, 1), job.progress.done_count)
        if self._bar is None:
            self._bar = _Bar(
                total=total,
                initial=done,
                desc=state,
                file=self._stream,
                bar_format=_FORMAT,
                dynamic_ncols=self._fits_itself,
                ncols=None if self._fits_itself else columns_of(self._stream),
                nrows=None if self._fits_itself else _ROWS,
            )
        self._bar.total, self._bar.n = total, done
        widget = getattr(self._bar, "container", None)
        if widget is not None:  # tqdm sets it once, and the total grows during an upload
            widget.children[1].max = total
        if not self._fits_itself:  # the terminal may have another width by now
            self._bar.ncols = columns_of(self._stream)
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
