"""A file of results as JSON lines that a later run continues."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

from headrace._data.output.download_state import DownloadState
from headrace._data.output.faults import refused
from headrace._data.output.result_lines import LineHead, line_head

CHECKPOINT_SECONDS = 1.0


class LineFile:
    """Appends lines to a file, and keeps the place in a state next to it.

    Args:
        path: File of lines. Only whole lines of results stay in it; what follows them is cut.
        state_path: File of the state.
        state: State of a download from the beginning.
        note_line: Called with the head of each line that is in the file already.
        mismatch_reason: Reason of failures that the client found itself.

    Raises:
        InvalidArgumentError: Another process writes to the file.
        OSError: A file cannot be opened or written.
    """

    def __init__(
        self,
        path: Path,
        state_path: Path,
        state: DownloadState,
        note_line: Callable[[LineHead], object],
        mismatch_reason: str,
    ) -> None:
        self._path = path
        self._state_path = state_path
        self._checkpoint_time = 0.0
        self.line_count = 0
        self.size = 0
        former = DownloadState.read(state_path)
        self._file: BinaryIO = open(path, "a+b", buffering=0)  # noqa: SIM115  # closed by close()
        try:
            _lock(self._file, path)
            if former is not None and former.query == state.query:
                self._recover(note_line, mismatch_reason)
            self._file.truncate(self.size)
            self.state = self._continued(former, state)
            self.state.write(state_path)
        except BaseException:
            self._file.close()
            raise

    @property
    def is_exact(self) -> bool:
        """Whether the cursor of the state covers exactly the lines that are in the file."""
        return self.state.size == self.size

    def _recover(self, note_line: Callable[[LineHead], object], mismatch_reason: str) -> None:
        """Finds the end of the whole lines. A crash may have torn the last one."""
        with open(self._path, "rb") as lines:
            for line in lines:
                head = line_head(line, mismatch_reason)
                if head is None:
                    return
                note_line(head)
                self.line_count += 1
                self.size += len(line)

    def _continued(self, former: DownloadState | None, new: DownloadState) -> DownloadState:
        """Returns the state to continue from: that of the former run if its cursor is of use."""
        if (
            former is None
            or not self.size
            or former.size > self.size  # a crash of the machine took lines
            or former.is_followed != new.is_followed
            or not (former.is_followed or former.job_seq == new.job_seq)
        ):
            return new
        return replace(former, finished=None)

    def append(self, lines: Iterable[bytes], cursor: str) -> None:
        """Writes lines at once, and the state if the last one is a second old.

        Args:
            lines: Whole lines.
            cursor: Cursor that continues after them.
        """
        lines = list(lines)
        data = memoryview(b"".join(lines))
        while data:
            data = data[self._file.write(data) :]
        self.line_count += len(lines)
        self.size += sum(map(len, lines))
        self.state = self.state.at(cursor, self.size)
        if monotonic() - self._checkpoint_time >= CHECKPOINT_SECONDS:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Writes the state."""
        self.state.write(self._state_path)
        self._checkpoint_time = monotonic()

    def sync(self) -> None:
        """Waits until the disk has the lines."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file. What was written stays, and a later run continues it."""
        self._file.close()


def _lock(file: Any, path: Path) -> None:
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise refused(
            "path", f"another process is writing to {path}: wait for it, or name another file"
        ) from None
    except OSError:  # the file system has no locks
        return
