"""Draws tables with rich: with styles, and wrapped on a narrow terminal."""

import sys
from collections.abc import Sequence
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace._cli.output.layout import GAP, TableLayout
from headrace._cli.output.views import Column


def open_console(stream: TextIO | None = None, width: int | None = None) -> Console:
    """Returns a console that obeys NO_COLOR and FORCE_COLOR.

    Args:
        stream: Output. Default: stdout.
        width: Width in columns. Default: that of the terminal.
    """
    return Console(file=stream or sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def draw_table(layout: TableLayout, values: Sequence[Any], has_header: bool, limit: int | None) -> Table:
    """Returns a table of objects.

    Args:
        layout: Columns and their widths.
        values: Objects, one for each row.
        has_header: Whether the titles come first.
        limit: Columns of the terminal. None: no limit.
    """
    rows = layout.rows(values)
    table = Table(
        box=None, show_header=has_header, header_style="bold", padding=(0, GAP, 0, 0), pad_edge=False
    )
    for column, width in zip(layout.columns, layout.fitting_widths(limit), strict=True):
        table.add_column(
            column.title,
            justify="right" if column.is_right else "left",
            width=width,
            no_wrap=not column.is_flexible,
            overflow="fold",
        )
    for value, row in zip(values, rows, strict=True):
        table.add_row(*map(_styled, layout.columns, row, [value] * len(row)))
    return table


def styled_text(layout: TableLayout, values: Sequence[Any], has_header: bool) -> str:
    """Returns a table as text for stdout, with colours if it takes any.

    A terminal too narrow for the columns breaks the lines, so that ids can still be copied.
    """
    limit = open_console().width if sys.stdout.isatty() else None
    table = draw_table(layout, values, has_header, limit)
    console = open_console(width=max(layout.width, limit or 0) + GAP)
    # rich would end the process with another exit code if the reader of the output were gone.
    with console.capture() as capture:
        console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def _styled(column: Column[Any], text: str, value: Any) -> Text:
    return Text(text, style=column.style(value) if column.style else "")
