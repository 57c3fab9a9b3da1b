"""Writes results as Parquet and Arrow files, and makes Arrow tables of them, by pyarrow."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from headrace._data.output.arrow_arrays import arrow_array
from headrace._data.output.columns import Column
from headrace._data.output.faults import missing_library
from headrace._data.output.result_table import ResultTable
from headrace._data.output.value_kinds import (
    BOOLEAN,
    INTEGER,
    JSON,
    LIST,
    NOTHING,
    NUMBER,
    TEXT,
    json_text,
)

_GROUP_BATCHES = 10
_GROUP_BYTES = 8 * 1024 * 1024


def check_pyarrow(purpose: str) -> None:
    """Checks that pyarrow is installed.

    Raises:
        InvalidArgumentError: It is not.
    """
    _pyarrow(purpose)


def write_parquet(table: ResultTable, file: BinaryIO) -> None:
    """Writes a table as Parquet, compressed with zstd."""
    schema = _schema(table)
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(_batches(table, schema)):
            writer.write_table(_pyarrow("Parquet").Table.from_batches(group))


def write_arrow(table: ResultTable, file: BinaryIO, *, as_stream: bool) -> None:
    """Writes a table as an Arrow file, or as an Arrow stream for a reader that cannot seek."""
    schema = _schema(table)
    from pyarrow import ipc

    make = ipc.new_stream if as_stream else ipc.new_file
    with make(file, schema) as writer:
        for batch in _batches(table, schema):
            writer.write_batch(batch)


def arrow_table(table: ResultTable) -> Any:
    """Returns a table as a ``pyarrow.Table``."""
    schema = _schema(table)
    return _pyarrow("an Arrow table").Table.from_batches(_batches(table, schema), schema)


def typed_cells(column: Column, values: list[Any]) -> list[Any]:
    """Returns the cells of a column as values of its kind. What has no common kind becomes JSON text."""
    if column.kind == JSON:
        return [None if value is None else json_text(value) for value in values]
    if column.kind == NUMBER:
        return [None if value is None else float(value) for value in values]
    return values


def _groups(batches: Iterator[Any]) -> Iterator[list[Any]]:
    """Yields batches together that make a group of rows: readers skip and read whole groups."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if len(group) >= _GROUP_BATCHES or sum(each.nbytes for each in group) >= _GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _batches(table: ResultTable, schema: Any) -> Iterator[Any]:
    pyarrow = _pyarrow("Arrow")
    columns = table.columns
    for chunk in table.chunks():
        arrays = [
            arrow_array(column.kind, field.type, typed_cells(column, values))
            for column, field, values in zip(columns, schema, chunk, strict=True)
        ]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _schema(table: ResultTable) -> Any:
    pyarrow = _pyarrow("Arrow")
    types = {
        BOOLEAN: pyarrow.bool_(),
        INTEGER: pyarrow.int64(),
        NUMBER: pyarrow.float64(),
        TEXT: pyarrow.string(),
        JSON: pyarrow.string(),
        NOTHING: pyarrow.string(),
    }
    types |= {LIST + kind: pyarrow.list_(inner) for kind, inner in types.items()}
    return pyarrow.schema([(column.name, types[column.kind]) for column in table.columns])


def _pyarrow(purpose: str) -> Any:
    try:
        import pyarrow
    except ModuleNotFoundError:
        raise missing_library(purpose, "pyarrow", "arrow") from None
    return pyarrow
