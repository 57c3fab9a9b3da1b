"""The state of a download that was interrupted: a small file next to its output."""

import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson

_VERSION = 1


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
    """

    query: dict[str, Any]
    is_followed: bool = False
    job_seq: int = 0
    cursor: str = ""
    size: int = 0

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Returns the state in a file, or None if there is none or another program wrote it."""
        try:
            fields = orjson.loads(path.read_bytes())
            if fields.pop("version") != _VERSION:
                return None
            return cls(**fields)
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, path: Path) -> None:
        """Replaces the file at once, so that a crash leaves the old state or the new one."""
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(orjson.dumps({"version": _VERSION, **asdict(self)}))
        os.replace(temporary, path)

    def at(self, cursor: str, size: int) -> Self:
        """Returns the state after more lines."""
        return replace(self, cursor=cursor, size=size)


def remove_files(*paths: Path) -> None:
    """Removes the files that exist."""
    for path in paths:
        with suppress(FileNotFoundError):
            path.unlink()
