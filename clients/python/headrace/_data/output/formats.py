"""Formats of files of results, found by the name of the file."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal

from headrace._data.output.faults import refused

Name = Literal["jsonl", "csv", "tsv", "parquet", "arrow"]
Compression = Literal["", "gz", "zst"]

_NAMES: dict[str, Name] = {
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "csv": "csv",
    "tsv": "tsv",
    "parquet": "parquet",
    "arrow": "arrow",
    "feather": "arrow",
}
_COMPRESSIONS: dict[str, Compression] = {"gz": "gz", "zst": "zst"}
_KNOWN = "jsonl, csv, tsv, parquet or arrow; text also with .gz or .zst, such as csv.gz"


@dataclass(frozen=True)
class OutputFormat:
    """Format of a file of results.

    Attributes:
        name: Form of the rows.
        compression: Compression around it. Empty: none.
    """

    name: Name
    compression: Compression = ""

    @property
    def is_lines(self) -> bool:
        """Whether the file is plain JSON lines, which are appended one by one."""
        return self.name == "jsonl" and not self.compression

    @property
    def is_binary(self) -> bool:
        """Whether the file is no use on a terminal."""
        return bool(self.compression) or self.name in ("parquet", "arrow")


def parse_format(text: str) -> OutputFormat:
    """Returns the format with a name such as ``csv`` or ``jsonl.gz``.

    Raises:
        InvalidArgumentError: There is no such format.
    """
    name, _, compression = text.lower().removeprefix(".").partition(".")
    if name not in _NAMES or (compression and compression not in _COMPRESSIONS):
        raise refused("format", f"{text!r} is not known: use {_KNOWN}")
    found = OutputFormat(_NAMES[name], _COMPRESSIONS.get(compression, ""))
    if found.compression and found.name in ("parquet", "arrow"):
        raise refused("format", f"{found.name} files are compressed inside: leave out .{compression}")
    return found


def format_of_file(path: PurePath) -> OutputFormat:
    """Returns the format that the name of a file ends in.

    Raises:
        InvalidArgumentError: The name does not end in a known format.
    """
    endings = [suffix.lstrip(".").lower() for suffix in path.suffixes[-2:]]
    compression = endings.pop() if endings and endings[-1] in _COMPRESSIONS else ""
    if not endings or endings[-1] not in _NAMES:
        raise refused("format", f"the name {path.name!r} does not tell a format: name one of {_KNOWN}")
    return parse_format(f"{endings[-1]}.{compression}" if compression else endings[-1])
