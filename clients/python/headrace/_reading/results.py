"""The results of a job, as an async iterator and as files and tables."""

from collections.abc import AsyncGenerator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from headrace._data.output.arrow_output import arrow_table, check_pyarrow
from headrace._data.output.formats import Name, OutputFormat, parse_format
from headrace._data.output.frames import check_pandas, check_polars, pandas_frame, polars_frame
from headrace._reading.result_download import Downloaded, Target, download
from headrace._reading.result_export import collect
from headrace._reading.result_query import ResultQuery
from headrace._reading.typed_outputs import OnMismatch, OutputType
from headrace._transport.connection import GatewayConnection
from headrace.resources import Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from typing_extensions import TypeVar as TypeVarWithDefault

    OutputT = TypeVarWithDefault("OutputT", default=Any)
else:
    OutputT = TypeVar("OutputT")

FilePath = str | PathLike[str]


class Results(AsyncGenerator[Result[OutputT], None], Generic[OutputT]):
    """The results of a job: an async iterator, with methods that write all of them to a file or a table.

    Each method reads the results from the first one, whatever was iterated before. With ``follow`` it waits
    until the job has ended.

    Tables have a row for each result, and the columns ``item_index``, ``item_key``, ``state``,
    ``output.FIELD`` for each field of the outputs, ``error.reason``, ``error.message``, ``attempt_count``,
    ``usage.call_count``, ``usage.input_tokens``, ``usage.output_tokens``, ``usage.cached_tokens``,
    ``usage.cost_micros``, and, with ``include_inputs``, ``input.FIELD``. An output that is not an object is
    in the column ``output``, and so are all outputs, as JSON, if they have over 1,000 different fields.
    """

    def __init__(self, query: ResultQuery) -> None:
        self._query = query
        self._iterator: AsyncGenerator[Result[Any], None] = query.results()

    async def __anext__(self) -> Result[OutputT]:
        return await anext(self._iterator)

    async def asend(self, value: None) -> Result[OutputT]:
        """Returns the next result, as for any async generator."""
        return await self._iterator.asend(value)

    async def athrow(self, *error: Any) -> Result[OutputT]:
        """Raises an error where the iteration waits, as for any async generator."""
        return await self._iterator.athrow(*error)

    async def aclose(self) -> None:
        """Ends the iteration and its call. A second call does nothing."""
        await self._iterator.aclose()

    async def to_list(self) -> list[Result[OutputT]]:
        """Returns all results in a list."""
        return [result async for result in self._query.results()]

    async def to_pandas(self) -> "pandas.DataFrame":
        """Returns a DataFrame of pandas.

        Integers and booleans with gaps are ``Int64`` and ``boolean``, so that large integers keep their
        digits. Lists and objects in an output stay Python values.

        Raises:
            InvalidArgumentError: pandas is not installed (``headrace[pandas]``).
        """
        check_pandas()
        return await collect(self._query, pandas_frame)

    async def to_polars(self) -> "polars.DataFrame":
        """Returns a DataFrame of polars. Values without a common type are JSON text.

        Raises:
            InvalidArgumentError: polars is not installed (``headrace[polars]``).
        """
        check_polars()
        return await collect(self._query, polars_frame)

    async def to_arrow(self) -> "pyarrow.Table":
        """Returns an Arrow table. Values without a common type are JSON text.

        Raises:
            InvalidArgumentError: pyarrow is not installed (``headrace[arrow]``).
        """
        check_pyarrow("an Arrow table")
        return await collect(self._query, arrow_table)

    async def to_jsonl(self, path: FilePath, *, overwrite: bool = True) -> int:
        """Writes a file of JSON lines, and returns the number of lines.

        After a crash or a cancellation the same call continues where it stopped: no line is missing or
        twice. ``.NAME.headrace`` keeps its state until it is complete.

        Args:
            path: The file. A name that ends in .gz or .zst compresses it.
            overwrite: Whether to replace a file that is not part of this download.

        Raises:
            InvalidArgumentError: The file may not be replaced, or a library is missing.
            OSError: The file cannot be written. The same call continues.
        """
        return (await self._download(path, "jsonl", overwrite)).result_count

    async def to_csv(self, path: FilePath, *, escape_formulas: bool = False, overwrite: bool = True) -> int:
        """Writes a file of CSV, or of TSV if its name says so, and returns the number of rows.

        Null is an empty cell. Lists and objects are JSON. After a crash or a cancellation the same call
        continues where it stopped; the file appears when it is complete.

        Args:
            path: The file. A name that ends in .gz or .zst compresses it.
            escape_formulas: Whether text that a spreadsheet would run as a formula gets an apostrophe in
                front: text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end.
            overwrite: Whether to replace a file that is not part of this download.

        Raises:
            InvalidArgumentError: The file may not be replaced, or a library is missing.
            OSError: The file cannot be written. The same call continues.
        """
        name: Name = "tsv" if ".tsv" in Path(path).suffixes[-2:] else "csv"
        return (await self._download(path, name, overwrite, escape_formulas)).result_count

    async def to_parquet(self, path: FilePath, *, overwrite: bool = True) -> int:
        """Writes a Parquet file, and returns the number of rows. It continues like ``to_csv``.

        Args:
            path: The file.
            overwrite: Whether to replace a file that is not part of this download.

        Raises:
            InvalidArgumentError: The file may not be replaced, or pyarrow is not installed
                (``headrace[arrow]``).
            OSError: The file cannot be written. The same call continues.
        """
        return (await self._download(path, "parquet", overwrite)).result_count

    async def _download(
        self, path: FilePath, name: Name, overwrite: bool, escape_formulas: bool = False
    ) -> Downloaded:
        target = Target(Path(path), _format(Path(path), name), escape_formulas, overwrite)
        return await download(self._query, target)


def _format(path: Path, name: Name) -> OutputFormat:
    """Returns a format with the compression that the name of the file tells."""
    ending = path.suffix.lower()
    return parse_format(f"{name}{ending}" if ending in (".gz", ".zst") else name)


def open_results(
    connection: GatewayConnection,
    job_id: str,
    *,
    follow: bool,
    item_state: Any,
    include_inputs: bool,
    output_type: Any,
    on_mismatch: OnMismatch,
    timeout: float | None,
) -> Results[Any]:
    """Returns the results of a job, which are read when they are asked for.

    Raises:
        InvalidArgumentError: An argument is wrong.
    """
    wanted = None if output_type is None else OutputType(output_type, on_mismatch)
    return Results(
        ResultQuery(
            connection=connection,
            job_id=job_id,
            follow=follow,
            item_state=item_state,
            include_inputs=include_inputs,
            output_type=wanted,
            timeout=timeout,
        )
    )


def query_of(results: Results[Any]) -> ResultQuery:
    """Returns the query of results."""
    return results._query
