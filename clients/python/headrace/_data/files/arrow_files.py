"""Reads the rows of Parquet and Arrow files by pyarrow, or by polars where only that is installed.

pyarrow reads batch by batch. polars holds the whole file in memory.
"""

import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO, FileIO
from typing import Any

from headrace._data.arrow_tables import batch_rows
from headrace._data.faults import invalid_data
from headrace._data.files.source_file import SourceFile
from headrace._data.reading_options import ReadingOptions
from headrace._data.table_rows import BATCH_ROWS, TableRows

_FILE_MARK = b"ARROW1"


def arrow_file_rows(source: SourceFile, options: ReadingOptions) -> Iterator[dict[str, Any]]:
    """Yields the rows of a Parquet file, an Arrow file or an Arrow stream, batch by batch.

    Raises:
        InvalidArgumentError: No library is installed, or the file is broken.
    """
    with tempfile.TemporaryFile() as copy:
        file: Any = source.file
        # These formats are read from their end, and seeking in a compressed file decompresses it anew.
        if not isinstance(file.raw, FileIO) or not file.seekable():
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            file = copy
        try:
            import pyarrow  # noqa: F401
        except ModuleNotFoundError:
            yield from _rows_by_polars(file, source, options)
        else:
            yield from _rows_by_pyarrow(file, source, options)


def _rows_by_pyarrow(file: Any, source: SourceFile, options: ReadingOptions) -> Iterator[dict[str, Any]]:
    import pyarrow

    try:
        names, batches = _opened_by_pyarrow(file, source.format)
        yield from batch_rows(batches, _table(names, source, options))
    except (pyarrow.ArrowException, OSError) as error:
        raise _broken(source, error) from None


def _opened_by_pyarrow(file: Any, file_format: str) -> tuple[list[str], Iterator[Any]]:
    import pyarrow.ipc
    import pyarrow.parquet

    if file_format == "parquet":
        parquet = pyarrow.parquet.ParquetFile(file, pre_buffer=False)
        return parquet.schema_arrow.names, parquet.iter_batches(batch_size=BATCH_ROWS)
    begin = file.read(len(_FILE_MARK))
    file.seek(0)
    if begin == _FILE_MARK:
        reader = pyarrow.ipc.open_file(file)
        return reader.schema.names, map(reader.get_batch, range(reader.num_record_batches))
    stream = pyarrow.ipc.open_stream(file)
    return stream.schema.names, iter(stream)


def _rows_by_polars(file: Any, source: SourceFile, options: ReadingOptions) -> Iterator[dict[str, Any]]:
    try:
        import polars
    except ModuleNotFoundError:
        needed = "pip install 'headrace[arrow]'"
        raise invalid_data(f"{source.name} is {source.format}, which needs pyarrow: {needed}") from None
    content = BytesIO(file.read())  # polars reads past what a buffered file has read already
    read: Any = polars.read_parquet
    if source.format == "arrow":
        is_file = content.getbuffer()[: len(_FILE_MARK)] == _FILE_MARK
        read = polars.read_ipc if is_file else polars.read_ipc_stream
    try:
        frame = read(content)
    except (polars.exceptions.PolarsError, OSError) as error:
        raise _broken(source, error) from None
    table = _table(frame.columns, source, options)
    for part in frame.iter_slices(BATCH_ROWS):
        yield from table.rows([column.to_list() for column in part.get_columns()])


def _table(names: list[str], source: SourceFile, options: ReadingOptions) -> TableRows:
    return TableRows(names, source.name, first_row=1, refuses_missing=options.refuses_missing)


def _broken(source: SourceFile, error: Exception) -> Exception:
    reason = (str(error).splitlines() or ["it cannot be read"])[0]
    return invalid_data(f"{source.name} is not {source.format} or is broken: {reason}; write it again")
