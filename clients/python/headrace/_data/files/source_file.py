"""Opens files, globs and stdin, and finds the format of each."""

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import PurePath
from typing import Any

import orjson

from headrace._data.faults import invalid_data
from headrace._data.files.compression import decompressed
from headrace._data.files.csv_dialect import find_delimiter
from headrace._data.files.first_bytes import SNIFFED_BYTES, with_first_bytes
from headrace._data.files.text_encoding import find_encoding
from headrace._data.reading_options import Format, ReadingOptions

STDIN = "-"
_STDIN_NUMBER = 0
_COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")
_BY_SUFFIX: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_BY_MARK: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
)
_OTHER_MARKS = (
    (b"\x1f\x8b", "is compressed twice: decompress it once"),
    (b"\x28\xb5\x2f\xfd", "is compressed twice: decompress it once"),
    (b"PK\x03\x04", "is a zip file or a spreadsheet: save it as CSV first"),
    (b"\xd0\xcf\x11\xe0", "is an old spreadsheet: save it as CSV first"),
    (b"BZh", "is compressed with bzip2: decompress it first"),
    (b"\xfd7zXZ", "is compressed with xz: decompress it first"),
    (b"FEA1", "is Feather of version 1: save it as Parquet first"),
)


@dataclass(frozen=True)
class SourceFile:
    """An open file without its compression.

    Attributes:
        file: The file, at its begin.
        name: Name for errors.
        format: Its format.
    """

    file: BufferedReader
    name: str
    format: Format


def find_paths(pattern: str) -> list[str]:
    """Returns the files of a path or a glob, by name. ``**`` matches folders at any depth.

    Raises:
        InvalidArgumentError: No file matches.
    """
    if pattern == STDIN or os.path.lexists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise invalid_data(f"no file matches {pattern}")
    return paths


@contextmanager
def opened(path: str, options: ReadingOptions) -> Iterator[SourceFile]:
    """Opens a file, or stdin for ``-``. Decompresses it and finds its format.

    Raises:
        InvalidArgumentError: The file cannot be read, or its format is not supported.
    """
    name = "stdin" if path == STDIN else path or "''"
    try:
        # Opens stdin anew: Python closes sys.stdin at exit, and would wait for a thread that reads it.
        with (
            open(
                _STDIN_NUMBER if path == STDIN else path, "rb", SNIFFED_BYTES, closefd=path != STDIN
            ) as file,
            decompressed(_from_its_begin(file), name) as plain,
        ):
            begun = plain if _is_on_disk(plain) else with_first_bytes(plain, 8, b"\n")
            yield SourceFile(begun, name, options.format or _find_format(begun, path, name))
    except OSError as error:
        raise invalid_data(f"cannot read {name}: {error.strerror or error}") from None


def _from_its_begin(file: Any) -> BufferedReader:
    return file if _is_on_disk(file) else with_first_bytes(file, 4, b"")


def _is_on_disk(file: Any) -> bool:
    """Returns whether one read of the file returns all that was asked for."""
    return isinstance(file.raw, FileIO) and file.seekable()


def _find_format(file: BufferedReader, path: str, name: str) -> Format:
    begin = file.peek(SNIFFED_BYTES)
    for mark, found in _BY_MARK:
        if begin.startswith(mark):
            return found
    for mark, problem in _OTHER_MARKS:
        if begin.startswith(mark):
            raise invalid_data(f"{name} {problem}")
    by_name = _BY_SUFFIX.get(_suffix(path))
    if by_name in ("parquet", "arrow") and begin:
        raise invalid_data(f"{name} is not {by_name}, as its name says: name its format")
    return by_name or _text_format(begin)


def _suffix(path: str) -> str:
    pure = PurePath(path.lower())
    return PurePath(pure.stem).suffix if pure.suffix in _COMPRESSED else pure.suffix


def _text_format(begin: bytes) -> Format:
    """Returns the format of text whose name does not say it: CSV if its first line has several cells."""
    text = begin.decode(find_encoding(begin), errors="ignore").lstrip()
    first, line_end, _ = text.partition("\n")
    is_cut = first.startswith('"') and not line_end
    if not first or first[0] in "{[" or is_cut or is_json(first):
        return "jsonl"
    return "csv" if find_delimiter(text) else "jsonl"


def is_json(text: str | bytes) -> bool:
    """Returns whether a text is one JSON value."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
