"""Writes results as CSV or TSV."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, Literal

from headrace._data.output.columns import ResultColumns
from headrace._data.output.result_table import ResultTable
from headrace._data.output.value_kinds import json_text

_DELIMITERS = {"csv": ",", "tsv": "\t"}
# A spreadsheet runs a cell that begins with one of these as a formula. The full-width signs count too.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WRITTEN_LENGTH = 256 * 1024
_QUOTED = re.compile(r'[",\t\r\n]')


class TextTableWriter:
    """Writes rows as UTF-8 text with a header. Null is an empty cell, and lists and objects are JSON.

    Args:
        file: Binary file to write to.
        name: csv or tsv.
        escape_formulas: Whether text that a spreadsheet would run gets an apostrophe in front.
    """

    def __init__(self, file: BinaryIO, name: Literal["csv", "tsv"], *, escape_formulas: bool) -> None:
        self._file = file
        self._delimiter = _DELIMITERS[name]
        self._cell: Callable[[Any], str] = _escaped_cell if escape_formulas else _cell
        self._lines: list[str] = []
        self._length = 0

    def write(self, rows: Iterable[Sequence[Any]]) -> None:
        """Writes rows, and holds up to 256 K characters of them back."""
        for row in rows:
            # The csv module leaves a lone carriage return unquoted before Python 3.13.
            line = self._delimiter.join([_quoted(self._cell(value)) for value in row])
            self._lines.append(line)
            self._length += len(line)
            if self._length >= _WRITTEN_LENGTH:
                self.flush()

    def flush(self) -> None:
        """Writes the rows that were held back."""
        self._file.write("".join(f"{line}\n" for line in self._lines).encode())
        self._lines, self._length = [], 0


def write_text_table(
    table: ResultTable, file: BinaryIO, name: Literal["csv", "tsv"], *, escape_formulas: bool
) -> None:
    """Writes a table of results with its header."""
    writer = TextTableWriter(file, name, escape_formulas=escape_formulas)
    writer.write([[column.name for column in table.columns]])
    writer.write(table.rows())
    writer.flush()


class LiveTextTable:
    """Writes results as text while they come.

    The columns are those of the results up to the first with an output. A later output with other fields goes
    whole, as JSON, into the column ``output``.

    Args:
        writer: Writer of the rows.
        has_inputs: Whether the results bring their inputs.
    """

    def __init__(self, writer: TextTableWriter, *, has_inputs: bool) -> None:
        self._writer = writer
        self._columns = ResultColumns(has_inputs=has_inputs, is_open=True)
        self._waiting: list[dict[str, Any]] | None = []

    def write(self, batch: Sequence[dict[str, Any]]) -> None:
        """Writes results, or keeps them until the columns are known: at most 1,000 failed ones."""
        if self._waiting is not None:
            self._waiting += batch
            if len(self._waiting) < 1000 and all(fields["output"] is None for fields in batch):
                return
            self._begin()
        else:
            self._writer.write(map(self._columns.cells, batch))
        self._writer.flush()

    def end(self) -> None:
        """Writes the results that were kept."""
        if self._waiting is not None:
            self._begin()
        self._writer.flush()

    def _begin(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for fields in waiting:
            self._columns.add(fields)
        self._writer.write([[column.name for column in self._columns.columns()]])
        self._writer.write(map(self._columns.cells, waiting))


def _quoted(cell: str) -> str:
    if not _QUOTED.search(cell):
        return cell
    doubled = cell.replace('"', '""')
    return f'"{doubled}"'


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return json.dumps(value)
    return json_text(value)


def _escaped_cell(value: Any) -> str:
    cell = _cell(value)
    return f"'{cell}" if isinstance(value, str) and cell.startswith(_FORMULA_STARTS) else cell
