"""Lays out the columns of a table, and writes tables without styles."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from rich.cells import cell_len

from headrace._cli.output.views import Column

GAP = 2
_FLEXIBLE_MINIMUM = 20


class TableLayout:
    """The columns of a table and their widths, which never shrink from one block of rows to the next.

    Args:
        columns: Columns in order.
    """

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        self.columns = columns
        self._widths = [len(column.title) for column in columns]

    def rows(self, values: Sequence[Any]) -> list[list[str]]:
        """Returns the cells of objects, and makes room for them."""
        rows = [[column.text(value) for column in self.columns] for value in values]
        for row in rows:
            for place, text in enumerate(row):
                self._widths[place] = max(self._widths[place], *map(cell_len, text.split("\n")))
        return rows

    @property
    def width(self) -> int:
        """Columns of a terminal that the table needs if no cell is wrapped."""
        return sum(self._widths) + GAP * (len(self._widths) - 1)

    def fitting_widths(self, limit: int | None) -> list[int]:
        """Returns the widths of the columns. Only flexible ones shrink, and not to nothing.

        Args:
            limit: Columns of the terminal. None: no limit.
        """
        over = 0 if limit is None else self.width - limit
        fitting = []
        for column, width in zip(self.columns, self._widths, strict=True):
            saved = min(max(over, 0), max(width - _FLEXIBLE_MINIMUM, 0)) if column.is_flexible else 0
            over -= saved
            fitting.append(width - saved)
        return fitting

    def plain_text(self, values: Sequence[Any], has_header: bool) -> str:
        """Returns a table without styles in which no cell is cut.

        Args:
            values: Objects, one for each row.
            has_header: Whether the titles come first.
        """
        rows = self.rows(values)
        if has_header:
            rows.insert(0, [column.title for column in self.columns])
        return "".join(f"{line}\n" for row in rows for line in self._lines(row))

    def _lines(self, row: list[str]) -> Iterator[str]:
        for texts in zip_longest(*(text.split("\n") for text in row), fillvalue=""):
            cells = map(_padded, texts, self._widths, (column.is_right for column in self.columns))
            yield (" " * GAP).join(cells).rstrip()


def _padded(text: str, width: int, is_right: bool) -> str:
    blanks = " " * (width - cell_len(text))
    return blanks + text if is_right else text + blanks
