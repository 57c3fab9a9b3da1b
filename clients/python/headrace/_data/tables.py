"""Reads tables in memory: DataFrames of pandas and polars, and everything that speaks Arrow.

No library is imported unless the object comes from it: then its own program has imported it.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from headrace._data.arrow_tables import arrow_rows, needs_arrow
from headrace._data.faults import invalid_data
from headrace._data.table_rows import TableRows, in_batches


def table_rows(source: object, *, refuses_missing: bool = False) -> Iterator[dict[str, Any]] | None:
    """Returns the rows of a table, or None for an object that is not a table.

    Args:
        source: Any object.
        refuses_missing: Whether NaN and null are refused. Otherwise they are null.

    Raises:
        InvalidArgumentError: It is a table that cannot be read, such as one that is not computed yet.
    """
    if isinstance(source, (str, bytes, list, tuple, dict)):
        return None
    if _is_of("pandas", "DataFrame", source):
        return _pandas_rows(source, refuses_missing)
    if _is_of("polars", "DataFrame", source):
        return _polars_rows(source, refuses_missing)
    if _is_of("polars", "LazyFrame", source):
        raise invalid_data("items is a LazyFrame, which has no rows yet: pass frame.collect()")
    if needs_arrow(source) and not _is_series(source):
        return arrow_rows(source, "the table", first_row=0, refuses_missing=refuses_missing)
    if hasattr(source, "columns") and (hasattr(source, "dtypes") or hasattr(source, "__dataframe__")):
        kind = f"{type(source).__module__}.{type(source).__qualname__}"
        raise invalid_data(f"items is a table of {kind}, which cannot be read: convert it to pandas or Arrow")
    return None


def series_values(source: object) -> Iterable[Any] | None:
    """Returns the values of a column of pandas, polars or Arrow, or None for another object."""
    if not _is_series(source):
        return None
    series: Any = source
    values: list[Any] = series.to_list() if hasattr(series, "to_list") else series.to_pylist()
    return values


def _is_of(module: str, name: str, source: object) -> bool:
    """Returns whether the object is an instance of a class of a module that is imported already."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(source, kind)


def _is_series(source: object) -> bool:
    return any(
        _is_of(module, name, source)
        for module, name in (
            ("pandas", "Series"),
            ("pandas", "Index"),
            ("polars", "Series"),
            ("pyarrow", "Array"),
            ("pyarrow", "ChunkedArray"),
        )
    )


def _pandas_rows(frame: Any, refuses_missing: bool) -> Iterator[dict[str, Any]]:
    if any(name is not None for name in frame.index.names):  # a named index holds data, such as an id
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise invalid_data(
                f"the index of the DataFrame cannot become a column: {error}; drop it"
            ) from None
    table = TableRows(list(frame.columns), "the DataFrame", first_row=0, refuses_missing=refuses_missing)

    def columns(begin: int, end: int) -> Sequence[list[Any]]:
        part = frame.iloc[begin:end]
        return [part.iloc[:, number].tolist() for number in range(part.shape[1])]

    return _rows(table, len(frame), columns)


def _polars_rows(frame: Any, refuses_missing: bool) -> Iterator[dict[str, Any]]:
    table = TableRows(frame.columns, "the DataFrame", first_row=0, refuses_missing=refuses_missing)

    def columns(begin: int, end: int) -> Sequence[list[Any]]:
        return [column.to_list() for column in frame.slice(begin, end - begin).get_columns()]

    return _rows(table, frame.height, columns)


def _rows(table: TableRows, length: int, columns: Any) -> Iterator[dict[str, Any]]:
    for batch in in_batches(length, table.width, columns):
        yield from table.rows(batch)
