"""Makes DataFrames of pandas and polars of results."""

from typing import Any

from headrace._data.output.arrow_output import typed_cells
from headrace._data.output.columns import Column
from headrace._data.output.faults import missing_library
from headrace._data.output.result_table import ResultTable
from headrace._data.output.value_kinds import BOOLEAN, INTEGER, JSON, LIST, NOTHING, NUMBER, TEXT


def check_pandas() -> None:
    """Checks that pandas is installed.

    Raises:
        InvalidArgumentError: It is not.
    """
    _pandas()


def check_polars() -> None:
    """Checks that polars is installed.

    Raises:
        InvalidArgumentError: It is not.
    """
    _polars()


def pandas_frame(table: ResultTable) -> Any:
    """Returns a table as a DataFrame of pandas.

    Integers and booleans with gaps are ``Int64`` and ``boolean``, so that a large integer keeps its digits.
    Lists and objects stay Python values.
    """
    pandas = _pandas()
    columns = table.columns
    values: list[list[Any]] = [[] for _ in columns]
    for chunk in table.chunks():
        for kept, more in zip(values, chunk, strict=True):
            kept.extend(more)
    series = {
        column.name: pandas.Series(cells, dtype=_pandas_type(column))
        for column, cells in zip(columns, values, strict=True)
    }
    return pandas.DataFrame(series)


def _pandas_type(column: Column) -> str:
    if column.kind == INTEGER:
        return "Int64" if column.has_gaps else "int64"
    if column.kind == BOOLEAN:
        return "boolean" if column.has_gaps else "bool"
    return {NUMBER: "float64", TEXT: "str"}.get(column.kind, "object")


def polars_frame(table: ResultTable) -> Any:
    """Returns a table as a DataFrame of polars."""
    polars = _polars()
    types = {
        BOOLEAN: polars.Boolean,
        INTEGER: polars.Int64,
        NUMBER: polars.Float64,
        TEXT: polars.String,
        JSON: polars.String,
        NOTHING: polars.String,
    }
    types |= {LIST + kind: polars.List(inner) for kind, inner in types.items()}
    columns = table.columns
    schema = {column.name: types[column.kind] for column in columns}
    parts = [
        polars.DataFrame(
            [
                polars.Series(
                    column.name, typed_cells(column, cells), dtype=schema[column.name], strict=False
                )
                for column, cells in zip(columns, chunk, strict=True)
            ]
        )
        for chunk in table.chunks()
    ]
    return polars.concat(parts, rechunk=True) if parts else polars.DataFrame(schema=schema)


def _pandas() -> Any:
    try:
        import pandas
    except ModuleNotFoundError:
        raise missing_library("a DataFrame of pandas", "pandas", "pandas") from None
    return pandas


def _polars() -> Any:
    try:
        import polars
    except ModuleNotFoundError:
        raise missing_library("a DataFrame of polars", "polars", "polars") from None
    return polars
