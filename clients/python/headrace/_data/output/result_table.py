"""A table of results, read from a file of JSON lines in bounded memory."""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from headrace._data.output.columns import Column, ResultColumns
from headrace._data.output.result_lines import read_line

_CHUNK_ROWS = 1000
_CHUNK_BYTES = 1024 * 1024


class TableStoppedError(Exception):
    """Nobody waits for the table any more."""


class ResultTable:
    """One row for each item. Of several results of an item, such as a failure and a later success, the last.

    Making it reads all lines once, to find the columns.

    Args:
        lines: File of lines, read from its beginning.
        has_inputs: Whether the results bring their inputs.
        is_stopped: Returns whether nobody waits any more.

    Raises:
        TableStoppedError: Nobody waits any more.
    """

    def __init__(self, lines: BinaryIO, *, has_inputs: bool, is_stopped: Any = lambda: False) -> None:
        self._lines = lines
        self._is_stopped = is_stopped
        self._columns = ResultColumns(has_inputs=has_inputs)
        self._last_lines: dict[int, int] = {}  # of the items with several
        self.row_count = 0
        self._find_columns()

    @property
    def columns(self) -> Sequence[Column]:
        """Columns, in order."""
        return self._columns.columns()

    def _find_columns(self) -> None:
        seen = bytearray()
        for number, _, fields in self._read():
            self._columns.add(fields)
            place, bit = divmod(fields["item_index"], 8)
            if place >= len(seen):
                seen.extend(bytes(max(place + 1 - len(seen), len(seen) // 2)))
            if seen[place] >> bit & 1:
                self._last_lines[fields["item_index"]] = number
            else:
                self.row_count += 1
            seen[place] |= 1 << bit

    def rows(self) -> Iterator[list[Any]]:
        """Yields the cells of each row."""
        for _, cells in self._sized_rows():
            yield cells

    def chunks(self) -> Iterator[list[list[Any]]]:
        """Yields the cells by column, for up to 1,000 rows or about 1 MB at a time."""
        rows: list[list[Any]] = []
        byte_count = 0
        for size, cells in self._sized_rows():
            rows.append(cells)
            byte_count += size
            if len(rows) >= _CHUNK_ROWS or byte_count >= _CHUNK_BYTES:
                yield [list(column) for column in zip(*rows, strict=True)]
                rows, byte_count = [], 0
        if rows:
            yield [list(column) for column in zip(*rows, strict=True)]

    def _sized_rows(self) -> Iterator[tuple[int, list[Any]]]:
        for number, size, fields in self._read():
            if self._last_lines.get(fields["item_index"], number) == number:
                yield size, self._columns.cells(fields)

    def _read(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        self._lines.seek(0)
        for number, line in enumerate(self._lines):
            if number % 1000 == 0 and self._is_stopped():
                raise TableStoppedError
            yield number, len(line), read_line(line)
