"""Reads Arrow tables, and every object that offers its data as an Arrow stream."""

from collections.abc import Iterable, Iterator
from typing import Any

from headrace._data.faults import invalid_data
from headrace._data.table_rows import BATCH_ROWS, TableRows


def needs_arrow(source: object) -> bool:
    """Returns whether the object is an Arrow table, or offers one."""
    return any(hasattr(source, name) for name in ("__arrow_c_stream__", "__arrow_c_array__"))


def arrow_rows(source: Any, table: str, *, first_row: int, refuses_missing: bool) -> Iterator[dict[str, Any]]:
    """Returns the rows of an Arrow table, batch by batch.

    Args:
        source: Object with ``__arrow_c_stream__`` or ``__arrow_c_array__``.
        table: Name of the table in errors.
        first_row: Number of the first row in errors.
        refuses_missing: Whether NaN and null are refused. Otherwise they are null.

    Raises:
        InvalidArgumentError: pyarrow is missing, or the object is not a table.
    """
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise invalid_data("reading an Arrow table needs pyarrow: pip install 'headrace[arrow]'") from None
    try:
        if hasattr(source, "__arrow_c_stream__"):
            reader = pyarrow.RecordBatchReader.from_stream(source)
        else:
            reader = pyarrow.Table.from_batches([pyarrow.record_batch(source)]).to_reader()
    except (pyarrow.ArrowException, TypeError, ValueError) as error:
        raise invalid_data(f"{table} is not a table: {error}") from None
    rows = TableRows(reader.schema.names, table, first_row=first_row, refuses_missing=refuses_missing)
    return batch_rows(reader, rows)


def batch_rows(batches: Iterable[Any], rows: TableRows) -> Iterator[dict[str, Any]]:
    """Yields the rows of Arrow record batches, at most 1,000 of them decoded at a time."""
    for batch in batches:
        for begin in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(begin, BATCH_ROWS)
            yield from rows.rows([_values(column) for column in part.columns])


def _values(column: Any) -> list[Any]:
    """Returns the values of a column. Nanoseconds stay text where a datetime would lose digits."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_timestamp(kind) and kind.unit == "ns":
        try:
            column = column.cast(pyarrow.timestamp("us", kind.tz))
        except pyarrow.ArrowInvalid:
            column = column.cast(pyarrow.string())
    elif pyarrow.types.is_duration(kind) and kind.unit == "ns":
        column = column.cast(pyarrow.duration("us"), safe=False)
    values: list[Any] = column.to_pylist()
    return values
