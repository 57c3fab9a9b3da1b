"""The state of a download that was interrupted: a small file next to its output."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson

_VERSION = 1


@dataclass(frozen=True)
class FinishedFile:
    """A file that was finished, so that the same call has nothing to do, and a changed file is not replaced.

    Attributes:
        form: Its format and options.
        result_count: Its number of results.
        size: Its size in bytes.
        mtime_ns: Time of its last change, in nanoseconds.
    """

    form: str
    result_count: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path, form: str, result_count: int) -> Self:
        """Returns the description of a file."""
        found = path.stat()
        return cls(form, result_count, found.st_size, found.st_mtime_ns)

    def is_unchanged(self, path: Path) -> bool:
        """Returns whether the file is as it was finished."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True)
class DownloadState:
    """The place where a download continues.

    The file of lines is the truth. The state only spares reading again what the lines already hold.

    Attributes:
        query: The results that are downloaded, as JSON values. Another query cannot continue the file.
        is_followed: Whether the cursor is one of a stream. Otherwise it is a token of a page.
        job_seq: seq of the job when the read began. A token of a page is of use only while it stays the same.
        cursor: Cursor or token that continues after the lines. Empty: none.
        size: Bytes of the lines that the cursor covers.
        finished: The finished file. None while it is not finished.
    """

    query: dict[str, Any]
    is_followed: bool = False
    job_seq: int = 0
    cursor: str = ""
    size: int = 0
    finished: FinishedFile | None = None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Returns the state in a file, or None if there is none or another program wrote it."""
        try:
            fields = orjson.loads(path.read_bytes())
            if fields.pop("version") != _VERSION:
                return None
            finished = fields.pop("finished")
            return cls(**fields, finished=FinishedFile(**finished) if finished else None)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        """Replaces the file at once, so that a crash leaves the old state or the new one."""
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(orjson.dumps({"version": _VERSION, **asdict(self)}))
        os.replace(temporary, path)

    def at(self, cursor: str, size: int) -> Self:
        """Returns the state after more lines."""
        return replace(self, cursor=cursor, size=size, finished=None)


def remove_files(*paths: Path) -> None:
    """Removes the files that exist."""
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
