"""Draws tables with rich: in full in a pipe, and wrapped on a narrow terminal."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace._cli.output.views import Column

_GAP = 2
_FLEXIBLE_MINIMUM = 20


def open_console(stream: TextIO | None = None, width: int | None = None) -> Console:
    """Returns a console that obeys NO_COLOR and FORCE_COLOR.

    Args:
        stream: Output. Default: stdout.
        width: Width in columns. Default: that of the terminal.
    """
    return Console(file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False)


class TableLayout:
    """The columns of a table and their widths, which never shrink from one block of rows to the next.

    Args:
        columns: Columns in order.
    """

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        self._columns = columns
        self._widths = [len(column.title) for column in columns]

    def draw(self, values: Sequence[Any], has_header: bool, limit: int | None) -> Table:
        """Returns a table of objects.

        Args:
            values: Objects, one for each row.
            has_header: Whether the titles come first.
            limit: Columns of the terminal. None: no limit.
        """
        rows = [[column.text(value) for column in self._columns] for value in values]
        for row in rows:
            self._widths = [
                max(width, *map(cell_len, text.split("\n")))
                for width, text in zip(self._widths, row, strict=True)
            ]
        table = Table(
            box=None, show_header=has_header, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False
        )
        for column, width in zip(self._columns, self._fitting(limit), strict=True):
            table.add_column(
                column.title,
                justify="right" if column.is_right else "left",
                width=width,
                no_wrap=not column.is_flexible,
                overflow="fold",
            )
        for value, row in zip(values, rows, strict=True):
            table.add_row(*map(_styled, self._columns, row, [value] * len(row)))
        return table

    def _fitting(self, limit: int | None) -> list[int]:
        """Returns the widths of the columns. Only flexible ones shrink, and not to nothing."""
        over = 0 if limit is None else self.width - limit
        fitting = []
        for column, width in zip(self._columns, self._widths, strict=True):
            saved = min(max(over, 0), max(width - _FLEXIBLE_MINIMUM, 0)) if column.is_flexible else 0
            over -= saved
            fitting.append(width - saved)
        return fitting

    @property
    def width(self) -> int:
        """Columns that the table needs if no cell is wrapped."""
        return sum(self._widths) + _GAP * (len(self._widths) - 1)


def table_text(layout: TableLayout, values: Sequence[Any], has_header: bool) -> str:
    """Returns a table as text for stdout, with colours if it takes any.

    A terminal too narrow for the columns breaks the lines, so that ids can still be copied.
    """
    limit = open_console().width if sys.stdout.isatty() else None
    table = layout.draw(values, has_header, limit)
    console = open_console(width=max(layout.width, limit or 0) + _GAP)
    # rich would end the process with another exit code if the reader of the output were gone.
    with console.capture() as capture:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _styled(column: Column[Any], text: str, value: Any) -> Text:
    style: Callable[[Any], str] | None = column.style
    return Text(text, style=style(value) if style else "")
