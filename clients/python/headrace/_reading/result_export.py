"""Writes the results of a query to a stream, or collects them as a table."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TypeVar

from headrace._data.output.arrow_output import check_pyarrow, write_arrow, write_parquet
from headrace._data.output.compressed import check_compression, compressed
from headrace._data.output.formats import OutputFormat
from headrace._data.output.result_lines import read_line, result_line
from headrace._data.output.result_table import ResultTable
from headrace._data.output.text_tables import LiveTextTable, TextTableWriter, write_text_table
from headrace._reading.result_position import ResultPosition
from headrace._reading.result_query import ResultQuery

T = TypeVar("T")


def check_libraries(form: OutputFormat) -> None:
    """Checks that the libraries of a format are installed.

    Raises:
        InvalidArgumentError: One is missing. The message says how to install it.
    """
    check_compression(form.compression)
    if form.name in ("parquet", "arrow"):
        check_pyarrow(form.name.capitalize())


async def export_to_stream(
    query: ResultQuery, file: BinaryIO, form: OutputFormat, *, escape_formulas: bool = False
) -> int:
    """Writes all results to a stream, and returns their number.

    JSON lines are written as they come, and so is CSV or TSV of a followed job. Other tables are collected in
    a temporary file first, because their columns and types are those of all results.

    Args:
        query: Results to write.
        file: Stream that need not be seekable. It stays open.
        form: Format.
        escape_formulas: Whether text cells that a spreadsheet would run get an apostrophe in front.

    Raises:
        InvalidArgumentError: A library is missing.
        HeadraceError: The results cannot be read.
        OSError: The stream cannot be written.
    """
    check_libraries(form)
    is_text = form.name in ("csv", "tsv")
    if form.name != "jsonl" and not (is_text and query.follow):
        write = partial(write_table, file=file, form=form, escape_formulas=escape_formulas, as_stream=True)
        return await collect(query, write)
    with compressed(file, form.compression) as packed:
        if form.name in ("csv", "tsv"):
            writer = TextTableWriter(packed, form.name, escape_formulas=escape_formulas)
            return await _write_live_table(
                query, LiveTextTable(writer, has_inputs=query.include_inputs), file
            )
        return await _write_lines(query, packed, file)


async def _write_lines(query: ResultQuery, packed: BinaryIO, file: BinaryIO) -> int:
    count = 0
    async with aclosing(line_batches(query, ResultPosition())) as batches:
        async for batch in batches:
            packed.write(b"".join(batch))
            if query.follow:
                file.flush()
            count += len(batch)
    return count


async def _write_live_table(query: ResultQuery, table: LiveTextTable, file: BinaryIO) -> int:
    count = 0
    async with aclosing(line_batches(query, ResultPosition())) as batches:
        async for batch in batches:
            table.write([read_line(line) for line in batch])
            file.flush()
            count += len(batch)
    table.end()
    return count


def write_table(
    table: ResultTable, file: BinaryIO, form: OutputFormat, *, escape_formulas: bool, as_stream: bool
) -> int:
    """Writes a table in a format, and returns its number of rows.

    Args:
        table: Table to write.
        file: File to write to. It stays open.
        form: Format of a table.
        escape_formulas: Whether text cells that a spreadsheet would run get an apostrophe in front.
        as_stream: Whether Arrow is written for a reader that cannot seek.
    """
    with compressed(file, form.compression) as packed:
        if form.name == "parquet":
            write_parquet(table, packed)
        elif form.name == "arrow":
            write_arrow(table, packed, as_stream=as_stream)
        elif form.name != "jsonl":
            write_text_table(table, packed, form.name, escape_formulas=escape_formulas)
    return table.row_count


async def line_batches(query: ResultQuery, position: ResultPosition) -> AsyncGenerator[list[bytes], None]:
    """Yields results as JSON lines, in batches of up to 1,000. The position covers a batch once it came."""
    async with aclosing(query.batches(position)) as batches:
        async for batch in batches:
            yield [result_line(query.written(message)) for message in batch]


async def collect(query: ResultQuery, build: Callable[[ResultTable], T]) -> T:
    """Collects all results in a temporary file, and returns what ``build`` makes of their table.

    Building runs in a thread of its own, so that it does not block the event loop.
    """
    with TemporaryFile() as lines:
        await _write_lines(query, lines, lines)
        return await build_in_thread(lines, build, has_inputs=query.include_inputs)


async def build_in_thread(lines: BinaryIO, build: Callable[[ResultTable], T], *, has_inputs: bool) -> T:
    """Returns what ``build`` makes of the table of a file of lines. A cancellation stops it soon."""
    stop = threading.Event()

    def work() -> T:
        return build(ResultTable(lines, has_inputs=has_inputs, is_stopped=stop.is_set))

    return await in_thread(work, stop)


async def in_thread(work: Callable[[], T], stop: threading.Event) -> T:
    """Waits for work in a thread. If cancelled, it sets the event and waits until the work has ended."""
    future: asyncio.Future[Any] = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # it was stopped: nobody asks why
        raise
