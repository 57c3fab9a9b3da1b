"""Turns batches of columns into rows."""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

from headrace._data.faults import invalid_data
from headrace._messages.plain_values import ValueRefusedError, plain

_SIMPLE = frozenset({str, int, bool, type(None)})
BATCH_ROWS = 1000
_BATCH_CELLS = 20_000


class TableRows:
    """The rows of a table as dicts.

    Args:
        names: Names of the columns. A number becomes its text.
        table: Name of the table in errors, such as a path or ``the DataFrame``.
        first_row: Number of the first row in errors: 1 in a file, 0 in a DataFrame, as its own code counts.
        refuses_missing: Whether NaN and null are refused. Otherwise they are None in the row.
    """

    def __init__(self, names: Sequence[Any], table: str, *, first_row: int, refuses_missing: bool) -> None:
        self._names = column_names(names, table)
        self._table = table
        self._row = first_row
        self._refuses_missing = refuses_missing

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._names)

    def rows(self, columns: Sequence[list[Any]]) -> Iterator[dict[str, Any]]:
        """Yields the rows of the next batch.

        Args:
            columns: Values of each column, in the order of the names, all of the same length.

        Raises:
            InvalidArgumentError: A cell cannot be written as JSON, or it is empty and that is refused. The
                message names its row and column.
        """
        cleaned = [self._cleaned(name, column) for name, column in zip(self._names, columns, strict=True)]
        self._row += len(columns[0]) if columns else 0
        for values in zip(*cleaned, strict=True):
            yield dict(zip(self._names, values, strict=True))

    def _cleaned(self, name: str, column: list[Any]) -> list[Any]:
        kinds = set(map(type, column))
        if not kinds <= _SIMPLE and not (kinds == {float} and all(map(isfinite, column))):
            column = self._plain_column(name, column)
        if self._refuses_missing and None in column:
            raise invalid_data(
                f"{self._place(column.index(None), name)} is empty: fill it, or choose on_nan null"
            )
        return column

    def _plain_column(self, name: str, column: list[Any]) -> list[Any]:
        cells = []
        for offset, value in enumerate(column):
            try:
                cells.append(plain(value, nan_as_null=not self._refuses_missing or _is_nan(value)))
            except ValueRefusedError as error:
                raise invalid_data(
                    f"{self._place(offset, name)} cannot be written as JSON: {error}"
                ) from None
        return cells

    def _place(self, offset: int, name: str) -> str:
        return f"{self._table} row {self._row + offset} column {name!r}"


def column_names(names: Sequence[Any], table: str) -> list[str]:
    """Returns the names of columns as text.

    Raises:
        InvalidArgumentError: Two columns have the same name, or one has a name that is not text or a number.
    """
    texts: list[str] = []
    seen: set[str] = set()
    for name in names:
        is_number = isinstance(name, (int, float)) or type(name).__module__ == "numpy"
        if not isinstance(name, str) and not is_number:
            kind = type(name).__name__
            raise invalid_data(f"{table} has a column named by a {kind}, {name!r}: rename it to a text")
        text = str(name)
        if text in seen:
            raise invalid_data(f"{table} has two columns named {text!r}: rename or drop one of them")
        seen.add(text)
        texts.append(text)
    return texts


def in_batches(
    length: int, width: int, columns: Callable[[int, int], Sequence[list[Any]]]
) -> Iterator[Sequence[list[Any]]]:
    """Yields the columns of a table in memory, some rows at a time.

    Args:
        length: Number of rows.
        width: Number of columns. Batches of wide tables have fewer rows, because they are read on a loop.
        columns: Returns the columns of the rows from one number to another.
    """
    size = max(10, min(BATCH_ROWS, _BATCH_CELLS // max(width, 1)))
    for begin in range(0, length, size):
        yield columns(begin, min(begin + size, length))


def _is_nan(value: Any) -> bool:
    """Returns whether the cell itself is NaN or NaT: then it counts as empty, with its own message."""
    try:
        return bool(value != value)  # noqa: PLR0124
    except (TypeError, ValueError):  # NA, or an array
        return type(value).__name__ == "NAType"
