"""Reads the items of files one after another, each in its format."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any

from headrace._data.faults import invalid_data
from headrace._data.files.arrow_files import arrow_file_rows
from headrace._data.files.csv_rows import csv_rows
from headrace._data.files.json_items import json_items
from headrace._data.files.source_file import SourceFile, find_paths, opened
from headrace._data.reading_options import ReadingOptions

_READERS = {
    "jsonl": json_items,
    "json": json_items,
    "csv": csv_rows,
    "tsv": csv_rows,
    "parquet": arrow_file_rows,
    "arrow": arrow_file_rows,
}


def file_items(paths: Sequence[str | PurePath], options: ReadingOptions) -> Iterator[Any]:
    """Yields the items of files.

    Args:
        paths: Paths and globs, or ``-`` for stdin.
        options: Options for reading.

    Raises:
        InvalidArgumentError: A file cannot be read, or none of them has items.
    """
    is_empty = True
    for path in chain.from_iterable(find_paths(os.fspath(path)) for path in paths):
        with opened(path, options) as source:
            for item in _READERS[source.format](source, options):
                is_empty = False
                yield item
    if is_empty:
        raise invalid_data(f"{source.name} has no items: {_wanted(source)}")


def _wanted(source: SourceFile) -> str:
    if source.format in ("jsonl", "json"):
        return "it must have a JSON value on each line, or be one JSON array"
    return (
        "it must have rows" if source.format in ("parquet", "arrow") else "it must have rows below its header"
    )
