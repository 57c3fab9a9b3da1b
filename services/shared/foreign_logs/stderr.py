"""Standard error of a service: whatever is printed there becomes a log line."""

import io
import logging
import threading
from typing import TextIO

import structlog

_TRACEBACK = "Traceback (most recent call last):"


class StderrLines(io.TextIOBase):
    """Stands in for ``sys.stderr``, and logs each line that is written to it.

    A printed traceback becomes one log line, without the text of its exception.

    Args:
        stream: The true standard error, for what is printed while a line is being logged.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._is_logging = False
        self._unfinished = ""
        self._frames: list[str] | None = None
        self._log = structlog.wrap_logger(logging.getLogger("stderr"))

    def write(self, text: str) -> int:
        """Logs the lines that the text completes."""
        with self._lock:
            if self._is_logging:  # a line could not be logged
                return self._stream.write(text)
            self._is_logging = True
            try:
                *lines, self._unfinished = (self._unfinished + text).split("\n")
                for line in lines:
                    self._add(line)
            finally:
                self._is_logging = False
        return len(text)

    def _add(self, line: str) -> None:
        if line == _TRACEBACK:
            self._frames = []
        elif self._frames is not None and line.startswith(" "):
            self._frames.append(line)
        elif self._frames is not None:
            frames, self._frames = self._frames, None
            self._log.error(
                "exception_printed", error=line.partition(":")[0], traceback="\n".join(frames) + "\n"
            )
        elif line.strip():
            self._log.warning("stderr_printed", line=line)

    def flush(self) -> None:
        """Writes what is buffered below this object. An unfinished line stays unfinished."""
        self._stream.flush()

    def fileno(self) -> int:
        """Returns the file descriptor of the true standard error."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Returns whether the true standard error is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Returns True."""
        return True
