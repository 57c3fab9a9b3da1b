"""Reads the rows of CSV and TSV as items: every cell stays text, and an empty one is null."""

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

from headrace._data.faults import invalid_data
from headrace._data.files.csv_dialect import find_delimiter
from headrace._data.files.first_bytes import SNIFFED_BYTES
from headrace._data.files.source_file import SourceFile
from headrace._data.files.text_encoding import find_encoding, opened_text, undecodable
from headrace._data.reading_options import ReadingOptions
from headrace._data.table_rows import column_names

_MAX_CELL_CHARACTERS = 1024 * 1024  # an item has at most 1 MB
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "True": True, "False": False, "TRUE": True, "FALSE": False}
_MISSING_WORDS = frozenset({"NaN", "nan", "NAN"})
_NAMED_DELIMITER = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)


def csv_rows(source: SourceFile, options: ReadingOptions) -> Iterator[dict[str, Any]]:
    """Yields each row as a dict by column. The first row names the columns.

    Raises:
        InvalidArgumentError: The text cannot be decoded, or a row does not fit the header. The message names
            file, row and line.
    """
    file = CsvFile(source, options)
    try:
        yield from file.rows()
    finally:
        file.release()


class CsvFile:
    """A CSV file and its dialect.

    Args:
        source: The file.
        options: Options for reading. They override what the file looks like.
    """

    def __init__(self, source: SourceFile, options: ReadingOptions) -> None:
        begin = source.file.peek(SNIFFED_BYTES)
        self._name = source.name
        self._options = options
        self._encoding = options.encoding or find_encoding(begin)
        text = begin.decode(self._encoding, errors="ignore")
        self._text = opened_text(source.file, self._encoding)
        named = _NAMED_DELIMITER.match(text)
        if named:
            self._text.readline()
        self._delimiter = options.delimiter or (named[1] if named else None) or _default(source.format)
        if self._delimiter is None:
            self._delimiter = find_delimiter(text) or ","
        self._row = 0

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yields the rows after the header."""
        if csv.field_size_limit() < _MAX_CELL_CHARACTERS:
            csv.field_size_limit(_MAX_CELL_CHARACTERS)
        reader = csv.reader(self._text, delimiter=self._delimiter or ",", strict=True)
        try:
            names = self._header(reader)
            for self._row, cells in enumerate(filter(None, reader), start=1):  # a blank line has no cells
                yield self._item(names, cells, reader.line_num)
        except csv.Error as error:
            raise self._fault(reader.line_num, _reason(error), self._row + 1) from None
        except UnicodeError as error:
            problem = undecodable(error, self._encoding)
            raise invalid_data(f"{self._name} after row {self._row} {problem}") from None

    def release(self) -> None:
        """Leaves the file to its owner, who closes it."""
        with suppress(ValueError):  # the garbage collector may have closed the file first
            self._text.detach()

    def _header(self, reader: Iterator[list[str]]) -> list[str]:
        header = next(filter(None, reader), [])
        named = [name or f"column_{number}" for number, name in enumerate(header, start=1)]
        return column_names(named, self._name)

    def _item(self, names: list[str], cells: list[Any], line: int) -> dict[str, Any]:
        if len(cells) != len(names):
            problem = (
                f"has {len(cells)} cells and the header {len(names)}: quote a cell that contains "
                f"the delimiter {self._delimiter!r} or a line break"
            )
            raise self._fault(line, problem, self._row)
        if self._options.infer_types:
            cells = [_inferred(cell) for cell in cells]
        elif "" in cells:
            cells = [cell or None for cell in cells]
        if self._options.refuses_missing and None in cells:
            column = names[cells.index(None)]
            raise self._fault(line, f"has an empty cell in column {column!r}: fill it", self._row)
        return dict(zip(names, cells, strict=True))

    def _fault(self, line: int, problem: str, row: int) -> Exception:
        return invalid_data(f"{self._name} row {row} (line {line}) {problem}")


def _default(file_format: str | None) -> str | None:
    return "\t" if file_format == "tsv" else None


def _reason(error: csv.Error) -> str:
    text = str(error)
    if "field limit" in text:
        return "has a cell over 1 MB: close its quote, or shorten it"
    if "unexpected end" in text:
        return 'has a quote " without an end: close it'
    if "expected after" in text:
        return 'has text after a closing quote: write a quote inside a quoted cell as ""'
    return f"is not CSV: {text}"


def _inferred(cell: str) -> Any:
    if not cell or cell in _MISSING_WORDS:
        return None
    if cell in _WORDS:
        return _WORDS[cell]
    if _NUMBER.fullmatch(cell):
        number = orjson.loads(cell)
        is_exact = isinstance(number, int) or not cell.lstrip("-").isdigit()
        return number if is_exact else cell  # an integer over 64 bit stays text
    return cell
