"""The results of a job for code without an event loop."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic

from headrace._reading.results import FilePath, OutputT, Results
from headrace._transport.background_loop import BackgroundLoop
from headrace.resources import Result

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

_BATCH_SIZE = 100


class SyncResults(Generator[Result[OutputT], None, None], Generic[OutputT]):
    """The results of a job: an iterator with the methods of ``Results``, which wait here.

    Args:
        owner: Client, kept alive until the results are read.
        loop: Loop of the client.
        results: Results to read.
    """

    def __init__(self, owner: object, loop: BackgroundLoop, results: Results[OutputT]) -> None:
        self._owner = owner
        self._loop = loop
        self._results = results
        self._iterator: Generator[Result[OutputT], None, None] = loop.iterate(owner, results, _BATCH_SIZE)

    def __next__(self) -> Result[OutputT]:
        return next(self._iterator)

    def send(self, value: None) -> Result[OutputT]:
        """Returns the next result, as for any generator."""
        return self._iterator.send(value)

    def throw(self, *error: Any) -> Result[OutputT]:
        """Raises an error where the iteration waits, as for any generator."""
        return self._iterator.throw(*error)

    def close(self) -> None:
        """Ends the iteration and its call. A second call does nothing."""
        self._iterator.close()

    def to_list(self) -> list[Result[OutputT]]:
        """Returns all results in a list; see ``Results.to_list``."""
        return self._loop.run(self._results.to_list())

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns a DataFrame of pandas; see ``Results.to_pandas``."""
        return self._loop.run(self._results.to_pandas())

    def to_polars(self) -> "polars.DataFrame":
        """Returns a DataFrame of polars; see ``Results.to_polars``."""
        return self._loop.run(self._results.to_polars())

    def to_arrow(self) -> "pyarrow.Table":
        """Returns an Arrow table; see ``Results.to_arrow``."""
        return self._loop.run(self._results.to_arrow())

    def to_jsonl(self, path: FilePath, *, overwrite: bool = True) -> int:
        """Writes a file of JSON lines, and returns their number; see ``Results.to_jsonl``."""
        return self._loop.run(self._results.to_jsonl(path, overwrite=overwrite))

    def to_csv(self, path: FilePath, *, escape_formulas: bool = False, overwrite: bool = True) -> int:
        """Writes a file of CSV or TSV, and returns its number of rows; see ``Results.to_csv``."""
        writing = self._results.to_csv(path, escape_formulas=escape_formulas, overwrite=overwrite)
        return self._loop.run(writing)

    def to_parquet(self, path: FilePath, *, overwrite: bool = True) -> int:
        """Writes a Parquet file, and returns its number of rows; see ``Results.to_parquet``."""
        return self._loop.run(self._results.to_parquet(path, overwrite=overwrite))
