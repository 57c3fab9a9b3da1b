"""Draws a job as plain text: one line that is rewritten, or a line for each change."""

import os
import shutil
from typing import TextIO

from headrace._progress.text import describe_counts
from headrace.resources import Job

_DEFAULT_COLUMNS = 80


class RewrittenLine:
    """One line, rewritten in place.

    Args:
        stream: Terminal, or the output of a notebook.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._width = 0

    def draw(self, job: Job | None, state: str, parts: list[str]) -> None:
        """Replaces the line."""
        line = line_of(job, state, parts)[: columns_of(self._stream) - 1]  # a full line would wrap, and stay
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)

    def say(self, line: str) -> None:
        """Prints a line."""
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Ends the line."""
        if self._width:
            print(file=self._stream, flush=True)


class Lines:
    """A line for each drawing that differs from the one before.

    Args:
        stream: File, pipe, or terminal that cannot move its cursor.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def draw(self, job: Job | None, state: str, parts: list[str]) -> None:
        """Prints a line if it differs."""
        line = line_of(job, state, parts)
        if line != self._last:
            self._last = line
            self.say(line)

    def say(self, line: str) -> None:
        """Prints a line."""
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Does nothing: each line has ended."""


def columns_of(stream: TextIO) -> int:
    """Returns the width of a terminal. One that does not know its size counts as 80 columns wide."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (AttributeError, OSError, ValueError):  # not a file, or not a terminal
        columns = shutil.get_terminal_size().columns
    return columns or _DEFAULT_COLUMNS


def line_of(job: Job | None, state: str, parts: list[str]) -> str:
    """Returns one line: ``RUNNING 512/1,000  45.2 items/s  ETA 0:11``."""
    head = state if job is None else f"{state} {describe_counts(job)}"
    return "  ".join([head, *parts])
